const BYTES = { b: 1, k: 1024, kb: 1024, m: 1024 ** 2, mb: 1024 ** 2, g: 1024 ** 3, gb: 1024 ** 3 };
const SECONDS = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** "512m" as bytes; null when it is no size. */
export function bytesOf(text: string | number): number | null {
  const found = /^(\d+(?:\.\d+)?)(b|kb?|mb?|gb?)?$/i.exec(String(text).trim());
  if (!found) return null;
  return Math.round(Number(found[1]) * BYTES[(found[2]?.toLowerCase() ?? 'b') as keyof typeof BYTES]);
}

/** "1m30s" as seconds; null when it is no duration. */
export function secondsOf(text: string): number | null {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return null;
  return parts.reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * SECONDS[unit as keyof typeof SECONDS],
    0,
  );
}
