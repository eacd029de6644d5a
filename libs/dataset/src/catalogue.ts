import { blobKey, type ObjectInfo, type ObjectStore } from '@medformer/object-store';
import { ContentHash, DatasetManifest, MedformerError, parseRecord, Slug, sha256 } from '@medformer/schema';

const PREFIX = 'datasets/';
const KEY = /^datasets\/([a-z0-9-]+)\/([0-9a-f]{64})\.json$/;

export interface StoredDataset {
  manifest: DatasetManifest;
  /** Content address of the manifest. */
  hash: string;
}

/** Where a dataset's manifest stands. Its existence is the dataset's existence. */
export function manifestKey(name: string, hash: string): string {
  return `${PREFIX}${name}/${hash}.json`;
}

/**
 * The dataset that a reference names: a name (its newest version), a manifest's hash, or `name@hash`.
 * @throws MedformerError NOT_FOUND; INVALID_ARGUMENT for a reference of another form; DATA_LOSS for a manifest
 * whose bytes do not give its hash.
 */
export async function resolveDataset(store: ObjectStore, reference: string): Promise<StoredDataset> {
  const versions = await versionsOf(store, reference);
  const newest = versions.sort(byAge).at(-1);
  if (!newest) throw new MedformerError('NOT_FOUND', `dataset ${reference}: not in the store`);
  return readManifest(store, newest);
}

/** Every dataset version, by name, then oldest first. */
export async function listDatasets(store: ObjectStore): Promise<(StoredDataset & { created: Date })[]> {
  const versions = await list(store, PREFIX);
  versions.sort((x, y) => (x.name < y.name ? -1 : x.name > y.name ? 1 : byAge(x, y)));
  const datasets: (StoredDataset & { created: Date })[] = [];
  for (const version of versions) {
    datasets.push({ ...(await readManifest(store, version)), created: version.info.lastModified });
  }
  return datasets;
}

/**
 * A version of `name` made from the same source under the same options by the same code, whole in the store; it
 * need not be made again.
 */
export async function findIngested(
  store: ObjectStore,
  wanted: { name: string; description: string; digest: string; codeVersion: string },
): Promise<StoredDataset | undefined> {
  for (const version of await list(store, `${PREFIX}${wanted.name}/`)) {
    const dataset = await readManifest(store, version);
    const { description, source, codeVersion, shards } = dataset.manifest;
    const same =
      description === wanted.description &&
      source.digest === wanted.digest &&
      codeVersion === wanted.codeVersion;
    if (!same) continue;
    const found = await Promise.all(shards.map(({ sha256 }) => store.head(blobKey(sha256))));
    if (found.every((info, index) => info?.bytes === shards[index]!.bytes)) return dataset;
  }
  return undefined;
}

/**
 * Takes one version away: its manifest, at once. Its shards stay until `collectGarbage`, so that a reader under way
 * finishes, and so that other versions keep what they share.
 */
export async function removeDataset(store: ObjectStore, { manifest, hash }: StoredDataset): Promise<void> {
  await store.delete(manifestKey(manifest.name, hash));
}

interface Version {
  name: string;
  hash: string;
  info: ObjectInfo;
}

async function versionsOf(store: ObjectStore, reference: string): Promise<Version[]> {
  const [name = '', hash, ...rest] = reference.split('@');
  if (hash === undefined && ContentHash.safeParse(name).success) {
    return (await list(store, PREFIX)).filter((version) => version.hash === name);
  }
  const wellFormed =
    Slug.safeParse(name).success && (hash === undefined || ContentHash.safeParse(hash).success);
  if (!wellFormed || rest.length > 0) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `dataset: expected a name, a manifest's SHA-256 or name@sha256, found ${JSON.stringify(reference.slice(0, 200))}`,
    );
  }
  const versions = await list(store, `${PREFIX}${name}/`);
  return hash === undefined ? versions : versions.filter((version) => version.hash === hash);
}

async function list(store: ObjectStore, prefix: string): Promise<Version[]> {
  const versions: Version[] = [];
  for await (const info of store.list(prefix)) {
    const [, name, hash] = KEY.exec(info.key) ?? [];
    if (name && hash) versions.push({ name, hash, info });
  }
  return versions;
}

async function readManifest(store: ObjectStore, { name, hash }: Version): Promise<StoredDataset> {
  const key = manifestKey(name, hash);
  const bytes = await store.get(key);
  if (sha256(bytes) !== hash) {
    throw new MedformerError(
      'DATA_LOSS',
      `${key}: expected bytes of SHA-256 ${hash}, found ${sha256(bytes)}`,
    );
  }
  return { manifest: parseRecord(DatasetManifest, JSON.parse(bytes.toString('utf8')), key), hash };
}

function byAge(x: Version, y: Version): number {
  return x.info.lastModified.getTime() - y.info.lastModified.getTime() || (x.hash < y.hash ? -1 : 1);
}
