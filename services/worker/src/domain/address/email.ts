import { domainToASCII } from 'node:url';

export type AddressReason =
  | 'empty'
  | 'syntax'
  | 'multiple'
  | 'too_long'
  | 'control_character'
  | 'single_label'
  | 'ip_literal'
  | 'no_country'
  | 'length';

export interface EmailAddress {
  valid: true;
  /** Ready for the SMTP envelope: local part untouched, domain lower-cased, A-labels. */
  address: string;
  local: string;
  domain: string;
  /** The local part is not ASCII: the server must offer SMTPUTF8 (RFC 6531). */
  needs_smtputf8: boolean;
  display_name: string | null;
}

export interface InvalidAddress {
  valid: false;
  reason: AddressReason;
}

/** RFC 5321 §4.5.3.1: 64 octets of local part; a path of 256 octets with its brackets leaves 254. */
const MAX_LOCAL_OCTETS = 64;
const MAX_ADDRESS_OCTETS = 254;
const MAX_LABEL_OCTETS = 63;

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]";
const PLAIN = new RegExp(`^(${ATEXT}+(?:\\.${ATEXT}+)*)@([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)$`);
const DOT_STRING =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\u{10ffff}]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\u{10ffff}]+)*$/u;
const QUOTED_STRING = /^"(?:[^"\\\u0000-\u001f\u007f]|\\[^\u0000-\u001f\u007f])*"$/u;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
/** Blanks, tabs, no-break and zero-width characters that files carry around addresses. */
const OUTER = '[ \\t\\u00a0\\u1680\\u2000-\\u200d\\u202f\\u205f\\u2060\\u3000\\ufeff]';
const OUTER_BLANKS = new RegExp(`^${OUTER}+|${OUTER}+$`, 'g');
const INNER_BLANKS = new RegExp(OUTER);
const BIDI_OR_INVISIBLE = /[\u00ad\u200b-\u200f\u202a-\u202e\u2066-\u2069]/u;

/** One mailbox as RFC 5321/5322 and IDNA allow it, as far as a sender needs it. Never throws. */
export function parseEmail(value: string): EmailAddress | InvalidAddress {
  const plain = PLAIN.exec(value);
  if (plain && plain[1]!.length <= MAX_LOCAL_OCTETS) {
    const domain = asciiDomain(plain[2]!);
    if (typeof domain === 'string' && plain[1]!.length + domain.length + 1 <= MAX_ADDRESS_OCTETS) {
      const local = plain[1]!;
      return {
        valid: true,
        address: `${local}@${domain}`,
        local,
        domain,
        needs_smtputf8: false,
        display_name: null,
      };
    }
  }
  return parseUnusual(value);
}

function parseUnusual(value: string): EmailAddress | InvalidAddress {
  const trimmed = trimAddress(value);
  if (trimmed === '') return invalid('empty');
  if (CONTROL.test(trimmed)) return invalid('control_character');
  const angle = splitAngle(trimmed);
  if (!angle) return invalid('syntax');
  return parseAddrSpec(angle.spec, angle.displayName);
}

/** Outer blanks that carry no meaning; line breaks are not among them, they are how headers are injected. */
export function trimAddress(value: string): string {
  return value.replace(OUTER_BLANKS, '');
}

/** `Name <addr>`, `<addr>` or `addr`; null when the brackets do not fit. */
function splitAngle(text: string): { spec: string; displayName: string | null } | null {
  if (!text.endsWith('>')) return hasOutsideQuotes(text, '<') ? null : { spec: text, displayName: null };
  const open = text.lastIndexOf('<');
  if (open < 0) return null;
  const name = displayName(trimAddress(text.slice(0, open)));
  return name === undefined ? null : { spec: text.slice(open + 1, -1), displayName: name };
}

function displayName(text: string): string | null | undefined {
  if (text === '') return null;
  if (QUOTED_STRING.test(text)) return text.slice(1, -1).replace(/\\(.)/gu, '$1');
  return /[<>"@,;]/.test(text) ? undefined : text;
}

function hasOutsideQuotes(text: string, char: string): boolean {
  return text.replace(/"(?:[^"\\]|\\.)*"/gu, '').includes(char);
}

function parseAddrSpec(spec: string, display_name: string | null): EmailAddress | InvalidAddress {
  if (looksLikeSeveral(spec)) return invalid('multiple');
  const at = spec.lastIndexOf('@');
  if (at <= 0 || at === spec.length - 1) return invalid('syntax');
  const local = spec.slice(0, at);
  if (!DOT_STRING.test(local) && !QUOTED_STRING.test(local)) return invalid('syntax');
  if (!local.startsWith('"') && (INNER_BLANKS.test(local) || BIDI_OR_INVISIBLE.test(local)))
    return invalid('syntax');
  if (Buffer.byteLength(local) > MAX_LOCAL_OCTETS) return invalid('too_long');
  const domain = asciiDomain(spec.slice(at + 1));
  if (typeof domain !== 'string') return domain;
  const address = `${local}@${domain}`;
  if (Buffer.byteLength(address) > MAX_ADDRESS_OCTETS) return invalid('too_long');
  return {
    valid: true,
    address,
    local,
    domain,
    needs_smtputf8: /[^\u0000-\u007f]/.test(local),
    display_name,
  };
}

/** Two or more things with an @, apart by comma, semicolon or blank, outside quotes. */
function looksLikeSeveral(spec: string): boolean {
  const bare = spec.replace(/"(?:[^"\\]|\\.)*"/gu, 'q');
  return bare.split(/[,; ]+/).filter((part) => /.@./u.test(part)).length > 1;
}

const domains = new Map<string, string | InvalidAddress>();
const DOMAIN_CACHE_ENTRIES = 10_000;

/** The domain as lower-case A-labels. Recipient files repeat few domains, so the answer is remembered. */
function asciiDomain(domain: string): string | InvalidAddress {
  const known = domains.get(domain);
  if (known !== undefined) return known;
  const result = checkDomain(domain);
  if (domains.size >= DOMAIN_CACHE_ENTRIES) domains.clear();
  domains.set(domain, result);
  return result;
}

function checkDomain(domain: string): string | InvalidAddress {
  if (domain.startsWith('[')) return invalid('ip_literal');
  const cleaned = domain.replace(/[\u00ad\u200b-\u200d\u2060\ufeff]/g, '');
  // Node's converter is the WHATWG one: it forgives what STD 3 forbids, so the characters are checked here.
  if (/[\u0000-\u002c\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007f]/.test(cleaned)) return invalid('syntax');
  if (!cleaned.includes('.') && !/[\u3002\uff0e\uff61]/.test(cleaned)) return invalid('single_label');
  const labels = cleaned.split(/[.\u3002\uff0e\uff61]/);
  if (labels.some((label) => label === '' || label.startsWith('-') || label.endsWith('-')))
    return invalid('syntax');
  if (/^[0-9]+$/.test(labels.at(-1)!)) return invalid('syntax');
  const ascii = toAscii(labels);
  if (ascii === null) return invalid('syntax');
  if (ascii.split('.').some((label) => label.length > MAX_LABEL_OCTETS)) return invalid('too_long');
  return ascii;
}

/**
 * Label by label: the WHATWG converter reads a whole domain that ends in a number as an IPv4 address. A
 * label of ASCII alone needs no conversion unless it claims to be an A-label.
 */
function toAscii(labels: string[]): string | null {
  const out: string[] = [];
  for (const label of labels) {
    const lower = label.toLowerCase();
    if (/^[a-z0-9-]+$/.test(lower) && !lower.startsWith('xn--')) {
      out.push(lower);
      continue;
    }
    const ascii = domainToASCII(`${label}.example`);
    const converted = ascii.endsWith('.example') ? ascii.slice(0, -'.example'.length) : '';
    if (!/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(converted)) return null;
    out.push(converted);
  }
  return out.join('.');
}

function invalid(reason: AddressReason): InvalidAddress {
  return { valid: false, reason };
}
