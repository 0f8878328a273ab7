/** Tells senders that a lane may have a ready chunk. Only a hint: the truth is the chunk row. */
export interface Dispatcher {
  start(): Promise<void>;
  /** Resolves when something may have become ready, or after `ms`. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}
