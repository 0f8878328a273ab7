/** States of a batch; `completed` and `cancelled` are final. */
export const BATCH_STATES = ['draft', 'scheduled', 'sending', 'paused', 'completed', 'cancelled'] as const;
export type BatchState = (typeof BATCH_STATES)[number];

export const BATCH_ACTIONS = ['send', 'pause', 'resume', 'cancel'] as const;
/** States in which messages can be given another round. */
export const RETRYABLE_STATES: readonly BatchState[] = ['sending', 'paused', 'completed'];
export type BatchAction = (typeof BATCH_ACTIONS)[number];

/** The whole state machine: what each action makes of each state. What is not listed is refused. */
const TRANSITIONS: Record<BatchAction, Partial<Record<BatchState, BatchState>>> = {
  send: { draft: 'sending', scheduled: 'sending' },
  pause: { sending: 'paused', scheduled: 'paused', paused: 'paused' },
  resume: { paused: 'sending', sending: 'sending' },
  cancel: {
    draft: 'cancelled',
    scheduled: 'cancelled',
    sending: 'cancelled',
    paused: 'cancelled',
    cancelled: 'cancelled',
  },
};

/** The state after `action`, or null when a batch in `state` does not allow it. */
export function transition(state: BatchState, action: BatchAction): BatchState | null {
  return TRANSITIONS[action][state] ?? null;
}

/** States from which `action` is allowed, for the error message. */
export function allowedFrom(action: BatchAction): BatchState[] {
  return Object.keys(TRANSITIONS[action]) as BatchState[];
}
