import type { ReceivedEvent } from '../provider-event.ts';

/** What the end of an SMS says of its number. */
export type SmsMeaning = Pick<ReceivedEvent, 'type' | 'permanent'>;

/** There is no phone at that number that takes SMS. */
export const DEAD: SmsMeaning = { type: 'bounced', permanent: true };
/** The phone may come back. */
export const UNREACHABLE: SmsMeaning = { type: 'bounced', permanent: false };
/** For a reason that is not the recipient's. */
export const REFUSED: SmsMeaning = { type: 'failed', permanent: false };
/** Whoever has it told the carrier to stop. */
export const OPTED_OUT: SmsMeaning = { type: 'suppressed', permanent: true };
