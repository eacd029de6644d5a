import type { z } from 'zod';
import { MedformerError } from './errors.js';

/**
 * The value as the schema's output type.
 * @throws MedformerError INVALID_ARGUMENT naming `what` and, for each fault, the path of the offending key.
 */
export function parseRecord<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new MedformerError('INVALID_ARGUMENT', `${what}: ${faultsOf(parsed.error).join('; ')}`, {
    cause: parsed.error,
  });
}

/** Each fault as `path.of.key: what is wrong`. */
export function faultsOf({ issues }: z.ZodError): string[] {
  return issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${[...issue.path, key].join('.')}: no such key`)
      : [`${issue.path.join('.') || '(root)'}: ${issue.message}`],
  );
}
