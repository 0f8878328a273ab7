import type { FastifyError, FastifyInstance } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { AppError } from '../../domain/errors.ts';
import { TemplateError } from '../../domain/template/template-error.ts';

export interface ErrorBody {
  error: {
    code: string;
    message: string;
    fix?: string;
    field?: string;
    details?: unknown;
    requestId?: string;
  };
}

/** Of bodies other than recipient files, which are streamed and have no limit. */
export const BODY_LIMIT_MIB = 16;

/** The one place where an error becomes a status and a body. */
export function errorHandling(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = asAppError(error);
    if (known) {
      reply.code(known.status).send({ error: known.toJSON() });
      return;
    }
    request.log.error({ err: error, requestId: request.id }, 'request failed');
    const body: ErrorBody = {
      error: {
        code: 'internal',
        message: 'Something went wrong on our side.',
        fix: "Look up the request id in the worker's log.",
        requestId: request.id,
      },
    };
    reply.code(500).send(body);
  });
}

function asAppError(error: FastifyError): AppError | null {
  if (error instanceof AppError) return error;
  if (error instanceof TemplateError) {
    const first = error.problems[0]!;
    return new AppError('template_invalid', 422, `The template cannot be used: ${error.message}.`, {
      field: `template.${first.part}`,
      details: error.problems,
      fix: 'Correct it at the line and column given.',
    });
  }
  if (hasZodFastifySchemaValidationErrors(error))
    return validationError(error.validation, error.validationContext);
  return fastifyError(error);
}

function validationError(
  issues: { instancePath: string; message?: string }[],
  context: string | undefined,
): AppError {
  const named = issues.map((issue) => ({
    field: issue.instancePath.replace(/^\//, '').replaceAll('/', '.'),
    message: issue.message ?? 'is not valid',
  }));
  const text = named.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join('; ');
  return new AppError('request_invalid', 400, `The ${context ?? 'request'} is not valid: ${text}.`, {
    field: named[0]?.field,
    details: named,
  });
}

/** Fastify's own refusals that a caller can do something about. */
function fastifyError(error: FastifyError): AppError | null {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new AppError('body_too_large', 413, `The body is larger than ${BODY_LIMIT_MIB} MiB.`, {
        fix: 'Stream recipients of any number to POST /api/batches/:id/recipients instead.',
      });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new AppError('media_type_unsupported', 415, error.message, { field: 'content-type' });
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new AppError('json_invalid', 400, 'The body is not valid JSON.', { details: error.message });
    default:
      return error.statusCode && error.statusCode < 500
        ? new AppError('request_invalid', error.statusCode, error.message)
        : null;
  }
}
