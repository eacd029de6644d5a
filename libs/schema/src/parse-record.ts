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
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
  throw new MedformerError('INVALID_ARGUMENT', `${what}: ${faults.join('; ')}`, { cause: parsed.error });
}
