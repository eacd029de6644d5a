import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CHART, renderText } from './harness/chart.js';

const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'));

type Tree = Record<string, unknown>;

/** Releases in which, taken together, every value has something to say. */
const RELEASES: { values: object; example?: string }[] = [
  {
    example: 'gpu-cluster',
    values: {
      defaults: { gpu: { count: 1 } },
      evaluation: { keda: { enabled: true, prometheus: 'http://prometheus', query: 'up' } },
      monitoring: { rules: { enabled: true }, dashboards: { enabled: true } },
    },
  },
  { example: 'trial', values: { objectStore: { caSecret: 'ca' } } },
  { example: 'gpu-cluster', values: { objectStore: { webIdentity: { enabled: true } } } },
  { example: 'mig', values: {} },
  { example: 'keda', values: { tls: { certManager: { issuer: 'platform' } } } },
  {
    example: 'trial',
    values: {
      defaults: { autoscaling: { enabled: true, podMetric: { name: 'queue' } } },
      minio: { persistence: { enabled: false } },
    },
  },
  {
    example: 'trial',
    values: { defaults: { keda: { enabled: true, prometheus: 'http://prometheus', query: 'up' } } },
  },
];

describe('every value', () => {
  const plain = RELEASES.map((release) => renderText(release.values, release.example));

  it.each(leavesOf(values, []))('%s changes what is rendered', async (path) => {
    const keys = path.split('.');
    for (const [index, release] of RELEASES.entries()) {
      const before = await plain[index]!;
      const present = atPath(release.values, keys) ?? atPath(exampleOf(release.example), keys);
      const changed = otherThan(present ?? atPath(values, keys), keys);
      const after = await renderText(merge(release.values, nested(keys, changed)), release.example).catch(
        // A template that refuses what else stands there has read the value too; the schema has not.
        (error) => (String(error.stderr).includes('execution error') ? 'refused' : Promise.reject(error)),
      );
      if (after !== before) return;
    }
    throw new Error(`${path} changes nothing in any release`);
  });

  it.each(usesInTemplates())('%s that %s uses is documented', (path) => {
    expect(atPath(values, path.split('.').slice(0, 2))).toBeDefined();
  });
});

/** Paths of the values that hold no others: scalars, lists, and maps that are open to any key. */
function leavesOf(tree: Tree, prefix: string[]): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const path = [...prefix, key];
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMap) return [path.join('.')];
    const { properties, additionalProperties } = schemaAt(path);
    return properties && additionalProperties === false ? leavesOf(value as Tree, path) : [path.join('.')];
  });
}

// biome-ignore lint/suspicious/noExplicitAny: JSON Schema
function schemaAt(path: readonly string[]): any {
  return path.reduce((node, key) => resolved(resolved(node).properties[key]), schema);
}

// biome-ignore lint/suspicious/noExplicitAny: JSON Schema
function resolved(node: any): any {
  if (!node.$ref) return node;
  const at = node.$ref.slice('#/'.length).split('/');
  // biome-ignore lint/suspicious/noExplicitAny: JSON Schema
  return resolved(at.reduce((inner: any, key: string) => inner[key], schema));
}

/** A value that the schema allows beside the present one. */
function otherThan(present: unknown, path: readonly string[]): unknown {
  const { enum: allowed, pattern, type, items, additionalProperties, propertyNames } = schemaAt(path);
  if (allowed) return allowed.find((each: unknown) => each !== present);
  if (path.at(-1) === 'digest') return `sha256:${'b'.repeat(64)}`;
  if (pattern?.startsWith('^(s3:')) return 's3://other?endpoint=http://other';
  if (pattern?.startsWith('^(https?:')) return 'https://other';
  if (path.at(-1) === 'resource') return 'example.com/other';
  if (pattern) return 'other';
  if (typeof present === 'boolean') return !present;
  if (typeof present === 'number' || [type].flat().includes('integer')) return Number(present ?? 0) + 7;
  if (type === 'array') {
    if (items?.type === 'string') return ['other'];
    if (items?.type === 'integer') return [99];
    return [{ name: 'OTHER', key: 'other', operator: 'Exists' }];
  }
  if (type === 'object') {
    if (propertyNames) return { [propertyNames.enum.includes('tag') ? 'tag' : 'encoder']: 'other' };
    if (path.at(-1) === 'allow') return { clients: { encoder: null, trainer: null } };
    if (path.at(-1) === 'peers') return { clients: [{ podSelector: { matchLabels: { other: 'label' } } }] };
    if (path.at(-1) === 'ports') return { grpc: [{ port: 1 }] };
    if (path.at(-1) === 'resources') return { requests: { cpu: '77' } };
    return additionalProperties ? { other: 'value' } : {};
  }
  return path.at(-1) === 'size' || path.includes('storage') ? '77Gi' : 'other';
}

/** `.Values.a.b` in the templates: each path once, with a file that has it. */
function usesInTemplates(): [string, string][] {
  const uses = new Map<string, string>();
  for (const folder of [join(CHART, 'templates'), join(CHART, '../library/templates')]) {
    for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!/\.(tpl|yaml|txt)$/.test(file)) continue;
      const text = readFileSync(join(folder, file), 'utf8');
      for (const [, path] of text.matchAll(/\.Values\.([A-Za-z.]+[A-Za-z])/g)) uses.set(path!, file);
      for (const [, path] of text.matchAll(/\.values\.([A-Za-z.]+[A-Za-z])/g))
        uses.set(`${path === 'enabled' ? 'encoder' : 'defaults'}.${path!.split('.')[0]}`, file);
      for (const [, path] of text.matchAll(/\$job\.([A-Za-z]+)/g))
        if (!(path! in values.defaults)) uses.set(`trainer.jobs.${path}`, file);
    }
  }
  return [...uses];
}

function exampleOf(name: string | undefined): unknown {
  return name && parse(readFileSync(join(CHART, 'examples', `${name}.yaml`), 'utf8'));
}

function atPath(tree: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>((inner, key) => (inner as Tree | undefined)?.[key], tree);
}

function nested(keys: readonly string[], value: unknown): Tree {
  return keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree;
}

function merge(base: object, over: object): object {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const present = merged[key];
    const both = [present, value].every((each) => each && typeof each === 'object' && !Array.isArray(each));
    merged[key] = both ? merge(present as object, value) : value;
  }
  return merged;
}
