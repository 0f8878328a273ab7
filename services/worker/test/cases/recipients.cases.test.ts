import { readFileSync } from 'node:fs';
import type { Channel } from '../../src/domain/channel.ts';
import { checkRecipients } from '../../src/domain/recipients/check.ts';
import { encodingOf } from '../../src/domain/recipients/encoding.ts';
import type { RecipientFormat } from '../../src/domain/recipients/reader.ts';
import { CASES, generateFile, testCases } from './case-files.ts';

interface Input {
  file?: string;
  generate?: Parameters<typeof generateFile>[0];
  format: RecipientFormat;
  channel: Channel;
  options: { encoding?: string; delimiter?: string; json_columns?: string[]; default_country?: string };
}

testCases<Input, unknown>('recipients', async (input) => {
  const bytes = input.file
    ? readFileSync(`${CASES}/recipients/${input.file}`)
    : generateFile(input.generate!);
  const check = await checkRecipients(
    chunked(bytes),
    {
      channel: input.channel,
      format: input.format,
      encoding: input.options.encoding ? (encodingOf(input.options.encoding) ?? undefined) : undefined,
      delimiter: input.options.delimiter,
      jsonColumns: input.options.json_columns,
      defaultCountry: input.options.default_country,
    },
    Number.POSITIVE_INFINITY,
  );
  const addresses = check.accepted.map((row) => row.address);
  const rejected = check.rejected.map(({ row, reason }) => ({ row, reason }));
  return {
    ...check,
    rejected,
    rejected_first: rejected.slice(0, 2),
    rejected_by_reason: countByReason(rejected),
    accepted_addresses_first: addresses.slice(0, addresses.length < 10 ? undefined : 3),
    accepted_address_last: addresses.at(-1),
  };
});

function countByReason(rows: { reason: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of rows) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

/** Small, odd pieces: a parser that needs whole records or characters in one chunk fails here. */
async function* chunked(bytes: Buffer): AsyncGenerator<Buffer> {
  const size = bytes.length > 100_000 ? 64 * 1024 : 7;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
