import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { parse, parseAllDocuments } from 'yaml';
import { ROOT } from './services.js';

export const HELM = join(ROOT, '.cache/tools/bin/helm');
export const CHART = join(ROOT, 'charts/medformer');
export const RELEASE = 'release';
export const NAMESPACE = 'medformer';
/** The examples' names, without `.yaml`. */
export const EXAMPLES = readdirSync(join(CHART, 'examples')).map((file) => file.replace('.yaml', ''));

/** What stands for a drawn password: base64 of 40 letters. */
const DRAWN = Buffer.from('x'.repeat(40)).toString('base64');

/** The values without which nothing renders: everything else is the default. */
export const NEEDED = {
  objectStore: { url: 's3://medformer?endpoint=https://s3.example.com', existingSecret: 'object-store' },
};

// biome-ignore lint/suspicious/noExplicitAny: Kubernetes' objects, read where their shape is what is tested
export type Manifest = any;

export const exampleFile = (name: string) => join(CHART, 'examples', `${name}.yaml`);

/**
 * `helm template` of values over an example, or over the defaults, as text. What the chart draws is masked, for without
 * a cluster it is drawn anew each time.
 */
export async function renderText(values: object, example?: string): Promise<string> {
  const base = example ? ['--values', exampleFile(example)] : [];
  const args = ['template', RELEASE, CHART, '--namespace', NAMESPACE, ...base, '--values', '-'];
  const { stdout } = await execa(HELM, args, { input: JSON.stringify(values) });
  return stdout.replaceAll(/^( {2}(?:pseudonymKey|secretKey): ).+$/gm, `$1${DRAWN}`);
}

/** The objects that a release is made of. */
export async function render(values: object, example?: string): Promise<Manifest[]> {
  return parseAllDocuments(await renderText(values, example))
    .map((document) => document.toJS())
    .filter((manifest) => manifest !== null);
}

/** Why Helm refuses the values. */
export async function refusal(values: object, example?: string): Promise<string> {
  const outcome = await renderText(values, example).then(
    () => undefined,
    (error) => String(error.stderr),
  );
  if (outcome === undefined) throw new Error('Helm rendered what it should refuse');
  return outcome;
}

/** The one object of a kind with a name, less the release's prefix. */
export function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.filter(
    (each) => each.kind === kind && each.metadata.name === `${RELEASE}-medformer${name && `-${name}`}`,
  );
  if (found.length !== 1) throw new Error(`${found.length} objects ${kind} ${name}`);
  return found[0];
}

export const ofKind = (manifests: readonly Manifest[], kind: string): Manifest[] =>
  manifests.filter((each) => each.kind === kind);

/** Every pod that the objects make, templates inside ConfigMaps included. */
export function podsOf(manifests: readonly Manifest[]): { owner: string; spec: Manifest }[] {
  return [...manifests, ...ofKind(manifests, 'ConfigMap').flatMap(jobsIn)].flatMap((manifest) => {
    const owner = `${manifest.kind} ${manifest.metadata.name}`;
    if (manifest.kind === 'Pod') return [{ owner, spec: manifest.spec }];
    return manifest.spec?.template?.spec ? [{ owner, spec: manifest.spec.template.spec }] : [];
  });
}

/** The objects that trainer control makes out of a ConfigMap, which it also names. */
export function jobsIn(configMap: Manifest): Manifest[] {
  return ['job.yaml', 'network-policy.yaml']
    .map((file) => configMap.data?.[file])
    .filter((text) => text !== undefined)
    .map((text) => parse(text))
    .map((template) => ({ ...template, metadata: { ...template.metadata, name: 'run' } }));
}
