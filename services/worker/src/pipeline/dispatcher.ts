/** Ready chunks of a lane. */
export interface ReadyLane {
  lane: string;
  chunks: number;
}

/** Takes announcements of ready chunks; a lost one is repeated, a doubled one does no harm. */
export interface Announcements {
  announce(ready: ReadyLane[]): Promise<void>;
}

/** Tells senders that a lane may have a ready chunk. Only a hint: the truth is the chunk row. */
export interface Dispatcher {
  start(): Promise<void>;
  /** Resolves when something may have become ready, or after `ms`. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}
