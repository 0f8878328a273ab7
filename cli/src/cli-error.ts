/**
 * Exit codes: tens say where (2x resources, 3x host, 4x network, 5x Docker, 6x service, 7x data, 8x
 * configuration), units say what (1 conflict, 2 timeout, 3 not running, 4 usage, 5 not found, 6 unsupported,
 * 7 permission, 8 content, 9 unavailable). The table is docs/exit-codes.md.
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notBuilt: 22,
  nodeTooOld: 26,
  outOfMemory: 29,
  portTaken: 31,
  unsupported: 36,
  stateNotWritable: 37,
  limits: 38,
  diskFull: 39,
  network: 44,
  imageNotFound: 45,
  imageDenied: 47,
  imageUnreachable: 49,
  dockerNotRunning: 53,
  dockerConfig: 54,
  dockerNotFound: 55,
  dockerUnsupported: 56,
  dockerPermission: 57,
  dockerFailed: 59,
  stackLocked: 61,
  notReady: 62,
  notRunning: 63,
  notFound: 65,
  leftovers: 68,
  serviceUnavailable: 69,
  dataMismatch: 71,
  migrationFailed: 72,
  sending: 73,
  messagesFailed: 78,
  config: 84,
  interrupted: 130,
  terminated: 143,
} as const;

/** A failure that says what failed, why, and what to do. */
export class CliError extends Error {
  override name = 'CliError';
  readonly id: string;
  readonly exitCode: number;
  readonly fix: string | undefined;
  /** Last lines of the guilty service, last probe answer and the like. */
  readonly evidence: string[];

  constructor(
    id: string,
    exitCode: number,
    message: string,
    more: { fix?: string; evidence?: string[]; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.id = id;
    this.exitCode = exitCode;
    this.fix = more.fix;
    this.evidence = more.evidence ?? [];
  }

  toJSON() {
    return {
      id: this.id,
      message: this.message,
      fix: this.fix,
      evidence: this.evidence,
      exitCode: this.exitCode,
    };
  }
}
