/**
 * An error that a user can act on. `code` is stable and documented in docs/errors.md; `message` says what
 * failed and why, `fix` what to do. Mapped once to an HTTP status (http/plugins/errors.ts) or exit code.
 */
export class AppError extends Error {
  override name = 'AppError';
  readonly code: string;
  readonly status: number;
  readonly fix: string | undefined;
  readonly field: string | undefined;
  readonly details: unknown;

  constructor(
    code: string,
    status: number,
    message: string,
    more: { fix?: string; field?: string; details?: unknown; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = status;
    this.fix = more.fix;
    this.field = more.field;
    this.details = more.details;
  }

  toJSON() {
    return {
      code: this.code,
      message: this.message,
      fix: this.fix,
      field: this.field,
      details: this.details,
    };
  }
}

export function notFound(what: string, id: string): AppError {
  return new AppError(`${what}_not_found`, 404, `There is no ${what} "${id}" in this account.`);
}
