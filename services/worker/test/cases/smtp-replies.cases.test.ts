import { classifyReply, type SmtpReply } from '../../src/domain/smtp-reply.ts';
import { testCases } from './case-files.ts';

testCases<SmtpReply & { file?: string }, unknown>(
  'smtp-replies',
  (input) => classifyReply(input),
  (one) => !one.kind.startsWith('dsn_'),
);
