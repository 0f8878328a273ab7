import { parseEmail } from '../../src/domain/address/email.ts';
import { parsePhone } from '../../src/domain/address/phone.ts';
import { testCases } from './case-files.ts';

interface Input {
  value: string;
  default_country?: string;
}

testCases<Input, { valid: boolean }>('addresses', (input, one) =>
  isPhone(one) ? parsePhone(input.value, input.default_country) : parseEmail(input.value),
);

function isPhone(one: { kind: string; expected: { valid: boolean } }): boolean {
  return one.kind.startsWith('phone') || 'e164' in one.expected;
}
