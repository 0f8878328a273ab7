import type { Preflight } from '../api/worker-api.ts';

/** A preflight for people. */
export function preflightLines({
  recipients,
  rendering,
  problems,
  provider,
  etaSeconds,
  ok,
}: Preflight): string[] {
  const rejected = Object.entries(recipients.rejected).map(([reason, count]) => `${count} ${reason}`);
  const sample = rendering.samples[0];
  const speed = etaSeconds === null ? 'no limit set' : `about ${etaSeconds} s at ${provider.perSecond}/s`;
  return [
    `${recipients.willBeSent} of ${recipients.total} recipients would be sent to; ${recipients.suppressed} suppressed, ${recipients.failing} cannot be made`,
    ...(rejected.length ? [`rows left out: ${rejected.join(', ')}`] : []),
    `through ${provider.name}, ${speed}; ${rendering.averageBytes} bytes a message, ${rendering.totalBytes} in all`,
    ...(sample
      ? [`for example to ${sample.address}: ${sample.subject ?? sample.text?.slice(0, 60) ?? ''}`]
      : []),
    ...problems.flatMap(({ severity, message, fix }) => [
      `${severity}: ${message}`,
      ...(fix ? [`  fix: ${fix}`] : []),
    ]),
    ok ? 'ready to be sent; nothing was sent' : 'not ready; nothing was sent',
  ];
}
