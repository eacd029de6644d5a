import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { MedformerError } from '@medformer/schema';
import { parse as parseYaml, stringify as toYaml } from 'yaml';
import { z } from 'zod';

/** A flat object of settings: `metricsPort` is MEDFORMER_METRICS_PORT in the environment and --metrics-port as a flag. */
export type ConfigSchema = z.ZodObject<z.ZodRawShape>;

export interface LoadedConfig<Schema extends ConfigSchema> {
  config: z.output<Schema>;
  /** Where each value comes from: `default`, or the name of the file, variable or flag that set it. */
  sources: Record<string, string>;
  /** `help` and `print-config` are asked for by their flags. */
  wants: { help: boolean; printConfig: boolean };
}

const secrets = z.registry<{ secret: true }>();

/** Marks a setting that no output may show; goes around everything else, for zod's modifiers copy the schema. */
export function secret<Schema extends z.ZodType>(schema: Schema): Schema {
  secrets.add(schema, { secret: true });
  return schema;
}

/**
 * Defaults, then the YAML file of --config or MEDFORMER_CONFIG, then the environment, then flags; the last wins.
 * @throws MedformerError INVALID_ARGUMENT that names every offending file key, variable or flag.
 */
export function loadConfig<Schema extends ConfigSchema>(
  schema: Schema,
  { argv, env }: { argv: readonly string[]; env: Record<string, string | undefined> },
): LoadedConfig<Schema> {
  const keys = Object.keys(schema.shape);
  const flags = parseFlags(keys, argv);
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = Object.fromEntries(keys.map((key) => [key, 'default']));
  const set = (key: string, value: unknown, source: string) => {
    values[key] = value;
    sources[key] = source;
  };
  const file = (flags.config as string | undefined) ?? env.MEDFORMER_CONFIG;
  for (const [key, value] of Object.entries(file ? readYaml(file) : {})) {
    if (!keys.includes(key)) throw refuse([`${file}: unknown key ${key}`]);
    set(key, value, `${file}: ${key}`);
  }
  for (const key of keys) {
    const variable = variableOf(key);
    const text = env[variable];
    if (text !== undefined && text !== '') set(key, fromText(schema, key, text), variable);
  }
  for (const key of keys) {
    const text = flags[flagOf(key)];
    if (typeof text === 'string') set(key, fromText(schema, key, text), `--${flagOf(key)}`);
  }
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    throw refuse(
      parsed.error.issues.map((issue) => {
        const key = String(issue.path[0]);
        const source = sources[key] === 'default' ? `${variableOf(key)} (or --${flagOf(key)})` : sources[key];
        return `${source}: ${issue.message}`;
      }),
    );
  }
  const wants = { help: flags.help === true, printConfig: flags['print-config'] === true };
  return { config: parsed.data as z.output<Schema>, sources, wants };
}

/** The effective settings as YAML that --config reads again, each with its source; secrets are masked. */
export function printConfig(
  schema: ConfigSchema,
  { config, sources }: Pick<LoadedConfig<ConfigSchema>, 'config' | 'sources'>,
): string {
  const lines = Object.entries(schema.shape).map(([key, field]) => {
    const value = (config as Record<string, unknown>)[key];
    if (value === undefined) return `# ${key}: not set`;
    const shown = secrets.has(field as z.ZodType) ? '******' : value;
    return `${toYaml({ [key]: shown }).trimEnd()} # ${sources[key]}`;
  });
  return `${lines.join('\n')}\n`;
}

/** One line per setting: flag, variable, meaning, default. */
export function describeConfig(schema: ConfigSchema): string {
  const rows = Object.entries(schema.shape).map(([key, field]) => {
    const type = field as z.ZodType;
    const fallback = type.safeParse(undefined).data;
    const meaning = type.description ?? '';
    return [
      `--${flagOf(key)}`,
      variableOf(key),
      fallback === undefined ? meaning : `${meaning} (default ${fallback})`,
    ];
  });
  const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length));
  return rows
    .map((row) => `  ${row[0]!.padEnd(width(0))}  ${row[1]!.padEnd(width(1))}  ${row[2]}`)
    .join('\n');
}

function parseFlags(
  keys: readonly string[],
  argv: readonly string[],
): Record<string, string | boolean | undefined> {
  const options = Object.fromEntries(
    ['config', ...keys.map(flagOf)].map((flag) => [flag, { type: 'string' as const }]),
  );
  try {
    return parseArgs({
      args: [...argv],
      options: { ...options, help: { type: 'boolean' }, 'print-config': { type: 'boolean' } },
    }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    throw refuse([(error as Error).message]);
  }
}

function readYaml(file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseYaml(readFileSync(file, 'utf8')) ?? {};
  } catch (error) {
    throw refuse([`${file}: ${(error as Error).message.split('\n')[0]}`]);
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw refuse([`${file}: expected keys with values`]);
  return value as Record<string, unknown>;
}

/** Variables and flags are text: taken as it is where the schema wants text, else as a number or truth value. */
function fromText(schema: ConfigSchema, key: string, text: string): unknown {
  if ((schema.shape[key] as z.ZodType).safeParse(text).success) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

function variableOf(key: string): string {
  return `MEDFORMER_${words(key).join('_').toUpperCase()}`;
}

function flagOf(key: string): string {
  return words(key).join('-').toLowerCase();
}

function words(key: string): string[] {
  return key.split(/(?=[A-Z])/);
}

function refuse(faults: readonly string[]): MedformerError {
  return new MedformerError('INVALID_ARGUMENT', `configuration: ${faults.join('; ')}`);
}
