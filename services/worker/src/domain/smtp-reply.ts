export const SMTP_STAGES = ['connect', 'ehlo', 'auth', 'mail', 'rcpt', 'data', 'eod'] as const;
/** Where in the dialogue a reply came; `eod` is the reply after the end of the message. */
export type SmtpStage = (typeof SMTP_STAGES)[number];

export type ReplyClass = 'accepted' | 'retry' | 'rate_limited' | 'permanent' | 'policy' | 'auth_failure';

export interface SmtpReply {
  stage: SmtpStage;
  /** Raw, possibly of several lines. */
  reply: string;
}

export interface ReplyVerdict {
  class: ReplyClass;
  /** Delay the reply states, seconds, or null. */
  retry_after_s: number | null;
  /** The address itself is dead. */
  suppress: boolean;
}

/**
 * What a reply means. Order of evidence: first digit of the code, stage, enhanced code (RFC 3463), text. On a
 * contradiction nothing is suppressed.
 */
export function classifyReply({ stage, reply }: SmtpReply): ReplyVerdict {
  const { code, enhanced, text } = parseReply(reply);
  if (code >= 200 && code < 400) return { class: 'accepted', retry_after_s: null, suppress: false };
  if (code >= 400 && code < 500) return temporary(text, enhanced);
  return permanent(code, stage, enhanced, text);
}

interface ParsedReply {
  code: number;
  /** `5.1.1` as class, subject, detail; null when the reply has none. */
  enhanced: { class: number; subject: number; detail: number } | null;
  text: string;
}

export function parseReply(reply: string): ParsedReply {
  const lines = reply.split(/\r?\n/).filter((line) => line !== '');
  const code = Number(/^\d{3}/.exec(lines[0] ?? '')?.[0] ?? 0);
  const bodies = lines.map((line) => line.replace(/^\d{3}[-\s]?/, ''));
  const found = /^\s*([245])\.(\d{1,3})\.(\d{1,3})(?=\s|$)/.exec(bodies[0] ?? '');
  const enhanced = found
    ? { class: Number(found[1]), subject: Number(found[2]), detail: Number(found[3]) }
    : null;
  const text = bodies.map((body) => body.replace(/^\s*[245]\.\d{1,3}\.\d{1,3}\s*/, '')).join(' ');
  return { code, enhanced, text };
}

const TOO_FAST =
  /throttl|rate[ -]?limit|ratelimit|sending rate|at a rate|unusual rate|unexpected volume|too (?:many|fast).*(?:messages|connections|rate)|rate exceeded/i;

function temporary(text: string, enhanced: ParsedReply['enhanced']): ReplyVerdict {
  const tooFast = TOO_FAST.test(text) || (enhanced?.subject === 7 && enhanced.detail === 28);
  return { class: tooFast ? 'rate_limited' : 'retry', retry_after_s: statedDelay(text), suppress: false };
}

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600 };

/** A delay with its unit ("in 300 seconds", "in 5 minutes"); a bare number may be anything. */
function statedDelay(text: string): number | null {
  const found = /\b(\d{1,6})\s*(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)\b(?!\/)/i.exec(text);
  if (!found || /https?:\/\/\S*$/.test(text.slice(0, found.index))) return null;
  return Number(found[1]) * UNIT_SECONDS[found[2]![0]!.toLowerCase()]!;
}

const POLICY =
  /spf|dkim|dmarc|block(?:ed|list| list)|blacklist|dnsbl|rbl|spam|unauthenticated|not authori[sz]ed|policy|reputation|\(BL\)|postmaster for help|banned|sender address rejected|relay(?:ing)? (?:access )?denied/i;
const UNKNOWN_USER =
  /user unknown|unknown user|no such (?:user|mailbox|recipient)|does not exist|no mailbox|mailbox (?:unavailable|not found|disabled)|unknown (?:recipient|mailbox)|recipient (?:not found|unknown)|invalid (?:recipient|mailbox|domain)|account (?:disabled|inactive)|host not found|domain not found/i;
/** Subject.detail of RFC 3463 and 7505 that say the address itself is dead. */
const DEAD_ADDRESS = new Set(['1.1', '1.2', '1.3', '1.6', '1.10', '2.1', '4.4']);

/** Whether an enhanced code alone ("5.1.1") says that the address is dead; null when it does not say either way. */
export function isDeadAddress(enhanced: string | undefined): boolean | null {
  const found = /^([245])\.(\d{1,3}\.\d{1,3})$/.exec(enhanced ?? '');
  if (!found) return null;
  if (found[1] !== '5') return false;
  return DEAD_ADDRESS.has(found[2]!) ? true : null;
}

function permanent(
  code: number,
  stage: SmtpStage,
  enhanced: ParsedReply['enhanced'],
  text: string,
): ReplyVerdict {
  const verdict = (kind: ReplyClass, suppress = false): ReplyVerdict => ({
    class: kind,
    retry_after_s: null,
    suppress,
  });
  if (stage === 'auth' || code === 530 || code === 535) return verdict('auth_failure');
  if (stage === 'connect' || stage === 'ehlo') return verdict('policy');
  const contradicts = enhanced !== null && enhanced.class !== 5;
  const key = enhanced && !contradicts ? `${enhanced.subject}.${enhanced.detail}` : null;
  if (enhanced?.subject === 7 && !contradicts) return verdict('policy');
  if (key === '1.7' || key === '1.8') return verdict('policy');
  if (stage === 'rcpt' && key && DEAD_ADDRESS.has(key)) return verdict('permanent', true);
  if (key === null && POLICY.test(text)) return verdict('policy');
  if (stage === 'rcpt' && enhanced === null && UNKNOWN_USER.test(text)) return verdict('permanent', true);
  return verdict('permanent');
}
