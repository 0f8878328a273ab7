import type { Channel } from '../channel.ts';
import { sameHeader } from './consent.ts';

const ADDRESS_HEADERS: Record<Channel, ReadonlySet<string>> = {
  email: new Set([
    'email',
    'mail',
    'emailaddress',
    'emailadresse',
    'adresseemail',
    'courriel',
    'correo',
    'correoelectronico',
  ]),
  sms: new Set([
    'phone',
    'phonenumber',
    'mobile',
    'mobilenumber',
    'tel',
    'telephone',
    'telefon',
    'mobil',
    'msisdn',
  ]),
};

export const ADDRESS_COLUMN_HINT: Record<Channel, string> = {
  email: 'Name one column "email" (or use --map address=COLUMN).',
  sms: 'Name one column "phone" (or use --map address=COLUMN).',
};

/** Whether a header names the address column, in any case, with blanks, `-`, `_` and `.` left out. */
export function namesAddress(header: string, channel: Channel): boolean {
  const key = header
    .replace(/[\s\-_.\u00a0\u200b\ufeff]/g, '')
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{M}/gu, '');
  return ADDRESS_HEADERS[channel].has(key);
}

/** The variable a header stands for: lower case, runs of other characters become one `_`. */
export function variableName(header: string): string {
  return header
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}_]+/gu, '_')
    .replace(/^_+|_+$/g, '');
}

export interface Columns {
  /** Index of the address column. */
  address: number;
  /** Variable per column; null for the address column and for a column without a name (see `unnamed`). */
  names: (string | null)[];
  /** Columns without a header: `column_N` where they have data. */
  unnamed: boolean[];
}

/** Columns by header cells, or null when none of them is the address. */
export function columnsByHeader(
  cells: string[],
  isAddressHeader: (header: string) => boolean,
  variables: Record<string, string> = {},
): Columns | null {
  const address = cells.findIndex(isAddressHeader);
  if (address < 0) return null;
  const used = new Map<string, number>();
  const names = cells.map((cell, index) => {
    const name = mappedName(cell, variables) ?? variableName(cell);
    if (index === address || name === '') return null;
    return unique(name, used);
  });
  return { address, names, unnamed: cells.map((_, index) => index !== address && names[index] === null) };
}

/** The variable that a header was mapped to, if it was. */
export function mappedName(header: string, variables: Record<string, string>): string | null {
  const key = Object.keys(variables).find((asked) => sameHeader(header, asked));
  return key === undefined ? null : variables[key]!;
}

/** Without a header every column is `column_N`. */
export function columnsByPosition(count: number, address: number): Columns {
  const names = Array.from({ length: count }, (_, index) =>
    index === address ? null : `column_${index + 1}`,
  );
  return { address, names, unnamed: names.map(() => false) };
}

function unique(name: string, used: Map<string, number>): string {
  const count = (used.get(name) ?? 0) + 1;
  used.set(name, count);
  if (count === 1) return name;
  const numbered = `${name}_${count}`;
  return used.has(numbered) ? unique(name, used) : numbered;
}
