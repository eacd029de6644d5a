import { type ServiceError, status } from '@grpc/grpc-js';
import { ERROR_CODES, type ErrorCode, MedformerError } from '@medformer/schema';

/** gRPC's status as the project's error; a service that cannot be reached is named with the way to start it. */
export function fromServiceError(error: ServiceError, address: string): MedformerError {
  if (error instanceof MedformerError) return error;
  const code = codeOf(error.code);
  if (code === 'UNAVAILABLE') {
    return new MedformerError(
      code,
      `${address} does not answer (${error.details.replace(/\.? Resolution note:.*$/, '')}); start the services with \`make up\` or name others with --address`,
      { cause: error },
    );
  }
  const hint = code === 'UNAUTHENTICATED' ? '; give --token-file, or --tls-cert and --tls-key' : '';
  return new MedformerError(code, `${error.details || error.message}${hint}`, { cause: error });
}

/** Any failure as one readable line; strangers keep their message, never their stack. */
export function describeFailure(thrown: unknown): { code: ErrorCode | 'LOCAL'; message: string } {
  if (thrown instanceof MedformerError) return { code: thrown.code, message: oneLine(thrown.message) };
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'LOCAL', message: oneLine(message) };
}

function codeOf(number: number | undefined): ErrorCode {
  const name = number === undefined ? undefined : status[number];
  return (ERROR_CODES as readonly string[]).includes(name ?? '') ? (name as ErrorCode) : 'UNKNOWN';
}

function oneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, ' ').trim();
}
