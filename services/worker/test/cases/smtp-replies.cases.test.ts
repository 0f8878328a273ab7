import { readFileSync } from 'node:fs';
import { parseDeliveryReport } from '../../src/domain/delivery-report.ts';
import { classifyReply, type SmtpReply } from '../../src/domain/smtp-reply.ts';
import { CASES, testCases } from './case-files.ts';

testCases<SmtpReply & { file?: string }, unknown>('smtp-replies', (input) =>
  input.file
    ? parseDeliveryReport(readFileSync(`${CASES}/smtp-replies/${input.file}`, 'utf8'))
    : classifyReply(input),
);
