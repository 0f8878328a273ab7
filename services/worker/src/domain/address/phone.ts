import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { type InvalidAddress, trimAddress } from './email.ts';

export interface PhoneNumber {
  valid: true;
  e164: string;
}

/** ITU-T E.164 §6.2: 15 digits at most; no country has subscriber numbers that make fewer than 7. */
const MAX_DIGITS = 15;
const MIN_DIGITS = 7;

const PHONE_CHARACTERS = /^\+?[0-9\s().\-/\u00a0\u2010-\u2015]+$/;

/**
 * One phone number as E.164. National numbers need `defaultCountry` (ISO 3166-1 alpha-2).
 * Never throws.
 */
export function parsePhone(value: string, defaultCountry?: string): PhoneNumber | InvalidAddress {
  const trimmed = trimAddress(value);
  if (trimmed === '') return invalid('empty');
  if (/[\u0000-\u001f\u007f]/.test(trimmed)) return invalid('control_character');
  if (!PHONE_CHARACTERS.test(trimmed)) return invalid('syntax');
  const compact = trimmed.replace(/[^0-9+]/g, '').replace(/^00/, '+');
  if (compact.startsWith('+')) return international(compact);
  return national(compact, defaultCountry);
}

function international(number: string): PhoneNumber | InvalidAddress {
  const digits = number.slice(1);
  if (digits.startsWith('0')) return invalid('syntax');
  if (digits.length > MAX_DIGITS || digits.length < MIN_DIGITS) return invalid('length');
  const parsed = parsePhoneNumberFromString(number);
  if (!parsed) return invalid('syntax');
  return parsed.isPossible() ? { valid: true, e164: parsed.number } : invalid('length');
}

function national(digits: string, defaultCountry: string | undefined): PhoneNumber | InvalidAddress {
  const country = defaultCountry?.toUpperCase();
  if (!country || !isSupportedCountry(country)) return invalid('no_country');
  const parsed = parsePhoneNumberFromString(digits, country as CountryCode);
  if (!parsed) return invalid('syntax');
  return parsed.isPossible() ? { valid: true, e164: parsed.number } : invalid('length');
}

function invalid(reason: InvalidAddress['reason']): InvalidAddress {
  return { valid: false, reason };
}
