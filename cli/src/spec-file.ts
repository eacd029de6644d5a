import { readFile } from 'node:fs/promises';
import { faultsOf, MedformerError } from '@medformer/schema';
import { parse, YAMLParseError } from 'yaml';
import type { z } from 'zod';

export type Spec = Record<string, unknown>;

/**
 * A YAML file, or nothing, as a record, `overrides` (`key.path=value`, the value being YAML) set in it.
 * @throws MedformerError NOT_FOUND, or INVALID_ARGUMENT naming the file and the line or key.
 */
export async function readSpec(file: string | undefined, overrides: readonly string[] = []): Promise<Spec> {
  const spec = file === undefined ? {} : parseYaml(await readText(file), file);
  if (!isRecord(spec)) throw invalid(`${file}: expected a mapping of keys to values`);
  for (const override of overrides) applyOverride(spec, override);
  return spec;
}

/**
 * Refuses what the schema refuses and keys it does not know: a misspelt key would silently mean its default.
 * `fill` stands in for what the service adds. The spec itself stays as written, so that defaults are the service's.
 */
export function checkSpec(schema: z.ZodType, spec: Spec, fill: Spec, what: string): void {
  const parsed = schema.safeParse({ ...spec, ...fill });
  const faults = parsed.success
    ? unknownKeys(spec, parsed.data).map((key) => `${key}: no such key`)
    : faultsOf(parsed.error);
  if (faults.length > 0) throw invalid(`${what}: ${faults.join('; ')}`);
}

function applyOverride(spec: Spec, override: string): void {
  const equals = override.indexOf('=');
  if (equals < 1) throw invalid(`--set ${override}: expected key.path=value`);
  const keys = override.slice(0, equals).split('.');
  const value = parseYaml(override.slice(equals + 1), `--set ${override}`);
  let node: Spec = spec;
  for (const key of keys.slice(0, -1)) {
    const next = node[key] ?? {};
    if (typeof next !== 'object' || next === null) {
      throw invalid(`--set ${override}: ${key} holds a value, not a mapping`);
    }
    node[key] = next;
    node = next as Spec;
  }
  node[keys.at(-1)!] = value;
}

function unknownKeys(given: unknown, known: unknown, path = ''): string[] {
  if (Array.isArray(given) && Array.isArray(known)) {
    return given.flatMap((item, index) => unknownKeys(item, known[index], `${path}${index}.`));
  }
  if (!isRecord(given) || !isRecord(known)) return [];
  return Object.entries(given).flatMap(([key, value]) =>
    key in known ? unknownKeys(value, known[key], `${path}${key}.`) : [`${path}${key}`],
  );
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new MedformerError(
      'NOT_FOUND',
      `${file}: ${(cause as NodeJS.ErrnoException).code ?? 'unreadable'}`,
      {
        cause,
      },
    );
  }
}

function parseYaml(text: string, where: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof YAMLParseError)) throw cause;
    const line = cause.linePos?.[0].line;
    throw invalid(`${where}${line === undefined ? '' : `:${line}`}: ${cause.message.split('\n')[0]}`);
  }
}

function isRecord(value: unknown): value is Spec {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string): MedformerError {
  return new MedformerError('INVALID_ARGUMENT', message);
}
