import { MedformerError } from '@medformer/schema';
import { S3Error } from 'minio';

const NOT_TRUSTED = /CERT|^UNABLE_TO_|SELF_SIGNED|^ERR_TLS_|^ERR_SSL_|^EPROTO$/;

/** What went wrong with a request as a MedformerError; what the server did not answer at all is UNAVAILABLE. */
export function s3Failure(thrown: unknown, key: string): MedformerError {
  if (thrown instanceof MedformerError) return thrown;
  const options = { cause: thrown };
  if (!(thrown instanceof S3Error)) {
    const { cause, code } = thrown as NodeJS.ErrnoException;
    // The client library wraps what its source of credentials throws.
    if (cause instanceof MedformerError) return cause;
    if (typeof code === 'string' && NOT_TRUSTED.test(code)) {
      return new MedformerError('UNAVAILABLE', `no TLS connection to the object store (${code})`, options);
    }
    return new MedformerError('UNAVAILABLE', 'the object store does not answer', options);
  }
  const code = String(thrown.code);
  switch (code) {
    case 'NoSuchKey':
    case 'NotFound':
      return new MedformerError('NOT_FOUND', `object ${key} does not exist`, options);
    case 'PreconditionFailed':
      return new MedformerError('ALREADY_EXISTS', `object ${key} exists`, options);
    case 'ConditionalRequestConflict':
      return new MedformerError('ABORTED', `object ${key} is being written by another`, options);
    case 'AccessDenied':
      return new MedformerError(
        'PERMISSION_DENIED',
        `object ${key}: the store's policy forbids it, or it does not know the credentials (${code})`,
        options,
      );
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'ExpiredToken':
    case 'InvalidToken':
    case 'InvalidTokenId':
      return new MedformerError(
        'PERMISSION_DENIED',
        `the object store refused the credentials (${code})`,
        options,
      );
    case 'NoSuchBucket':
      return new MedformerError('FAILED_PRECONDITION', 'the bucket does not exist', options);
    case 'NotImplemented':
    case 'MethodNotAllowed':
    case 'InvalidArgument':
    case 'InvalidRequest':
      return new MedformerError(
        'FAILED_PRECONDITION',
        `object ${key}: the store cannot do this (${code})`,
        options,
      );
    default:
      if (/^kms/i.test(code)) {
        return new MedformerError(
          'FAILED_PRECONDITION',
          `the store's key management refused (${code})`,
          options,
        );
      }
      return new MedformerError('UNAVAILABLE', `object ${key}: the store failed (${code})`, options);
  }
}

/** The server's own code of a failure that `s3Failure` made. */
export function s3Code(error: unknown): string | undefined {
  return error instanceof MedformerError && error.cause instanceof S3Error
    ? String(error.cause.code)
    : undefined;
}
