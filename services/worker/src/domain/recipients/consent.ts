/** What says yes, in the words of the exports people have; everything else, an empty cell too, is no consent. */
const YES = new Set([
  'yes',
  'y',
  'true',
  't',
  '1',
  'x',
  'on',
  'ja',
  'j',
  'oui',
  'o',
  'si',
  'sí',
  's',
  'sim',
  'да',
  'optin',
  'subscribed',
  'confirmed',
  'granted',
  'agreed',
  'accepted',
  'active',
  'wahr',
]);

/** Whether a cell of the consent column says that the recipient agreed. */
export function saysYes(value: unknown): boolean {
  if (value === true || value === 1) return true;
  return (
    typeof value === 'string' &&
    YES.has(
      value
        .trim()
        .toLowerCase()
        .replace(/[\s_-]/g, ''),
    )
  );
}

/** Headers are compared without case and outer blanks. */
export function sameHeader(header: string, asked: string): boolean {
  return header.trim().toLowerCase() === asked.trim().toLowerCase();
}
