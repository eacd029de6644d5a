import { createWriteStream, type WriteStream } from 'node:fs';
import type { ErrorCode } from '@medformer/schema';
import { createLogger, type Logger } from '@medformer/telemetry';

/** One call as the audit log tells it. */
export interface AuditedCall {
  caller: string;
  rpc: string;
  code: ErrorCode | 'OK';
  peer: string;
  traceId: string;
  /** Why it was refused before its handler began. */
  reason?: string;
  /** What it was about, by `resourcesOf`. */
  resources?: Record<string, string>;
}

/** Fields of messages that name what is stored: addresses, ids and the words that callers choose as names. */
const RESOURCE_FIELDS = ['run', 'checkpoint', 'model', 'uploadId', 'name', 'dataset', 'generator', 'report'];
const RESOURCE = /^[\w.:/@-]{1,128}$/;

/** One line for each call that changes something or is refused: who, what, when, how it ended. No content, no token. */
export class AuditLog {
  private constructor(
    private readonly logger: Logger,
    private readonly stream: WriteStream | undefined,
  ) {}

  /** Lines go to `file`, which is made and only added to, or else among the lines of the service. */
  static open(service: string, file: string | undefined, logger: Logger): AuditLog {
    if (file === undefined) return new AuditLog(logger.child({ audit: true }, { level: 'info' }), undefined);
    const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
    stream.on('error', (err) => logger.error({ err, file }, 'cannot write the audit log'));
    return new AuditLog(createLogger(service, { destination: stream }), stream);
  }

  write({ traceId, ...call }: AuditedCall): void {
    this.logger.info({ ...call, trace_id: traceId }, 'call');
  }

  async close(): Promise<void> {
    const { stream } = this;
    if (stream) await new Promise<void>((resolve) => stream.end(() => resolve()));
  }
}

/** The names and addresses in messages, e.g. `{ run: 'sha256:…' }`; what does not look like one is left out. */
export function resourcesOf(...messages: readonly unknown[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const message of messages.flatMap(withParts)) {
    for (const field of RESOURCE_FIELDS) {
      const value = message[field];
      if (typeof value === 'string' && RESOURCE.test(value)) found[field] ??= value;
    }
  }
  return found;
}

/** A message, the messages in its fields, and those in its oneofs. */
function withParts(message: unknown): Record<string, unknown>[] {
  if (!isRecord(message)) return [];
  const fields = Object.values(message).filter(isRecord);
  return [message, ...fields, ...fields.map(({ value }) => value).filter(isRecord)];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
