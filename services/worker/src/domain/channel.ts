import { parseEmail } from './address/email.ts';
import { parsePhone } from './address/phone.ts';

/** What kind of address a batch is sent to. A webhook provider takes both. */
export const CHANNELS = ['email', 'sms'] as const;
export type Channel = (typeof CHANNELS)[number];

export type AddressCheck = { address: string } | { reason: string };

/** The address as it will be used for sending, or why it is none. */
export function checkAddress(value: string, channel: Channel, defaultCountry?: string): AddressCheck {
  if (channel === 'email') {
    const email = parseEmail(value);
    return email.valid ? { address: email.address } : { reason: email.reason };
  }
  const phone = parsePhone(value, defaultCountry);
  return phone.valid ? { address: phone.e164 } : { reason: phone.reason };
}

/** Key under which addresses are compared: without regard to case. */
export function addressKey(address: string): string {
  return address.toLowerCase();
}
