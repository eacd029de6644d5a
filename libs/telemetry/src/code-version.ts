import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MedformerError } from '@medformer/schema';

/** The packages whose code decides what a run computes. */
const SCIENCE = [
  'augment',
  'brainfuse',
  'evaluators',
  'imaging',
  'medformer',
  'optimisers',
  'phantom',
  'schema',
  'ssl',
  'tensorflow',
];

/** Those whose code decides what a data report says; what its embeddings are decides the checkpoint. */
const DATA_REPORT = ['data-report', 'schema'];

const computed = new Map<readonly string[], string>();

/**
 * Which code computed a result: `<version>+<12 hex digits>`, the digits from a SHA-256 over the built science
 * packages, so that a change there, and only there, gives runs another name. MEDFORMER_CODE_VERSION replaces it where
 * the packages lie elsewhere.
 * @throws MedformerError FAILED_PRECONDITION when a science package is not built.
 */
export function codeVersion(): string {
  return versionOf(SCIENCE);
}

/** The same of the code that computes data reports: a new method changes no report of a data set. */
export function dataReportVersion(): string {
  return versionOf(DATA_REPORT);
}

function versionOf(packages: readonly string[]): string {
  const known =
    computed.get(packages) ??
    (process.env.MEDFORMER_CODE_VERSION || `${packageVersion()}+${hashOf(packages).slice(0, 12)}`);
  computed.set(packages, known);
  return known;
}

function packageVersion(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}

function hashOf(packages: readonly string[]): string {
  const hash = createHash('sha256');
  for (const name of packages) {
    const dist = fileURLToPath(new URL(`../../${name}/dist/`, import.meta.url));
    for (const file of builtFiles(dist, name)) {
      const bytes = readFileSync(dist + file);
      hash.update(`${name}/${file}\0${bytes.length}\0`).update(bytes);
    }
  }
  return hash.digest('hex');
}

function builtFiles(dist: string, name: string): string[] {
  try {
    const files = readdirSync(dist, { recursive: true }) as string[];
    return files.filter((file) => file.endsWith('.js')).sort();
  } catch (cause) {
    throw new MedformerError(
      'FAILED_PRECONDITION',
      `package ${name} is not built: run make build, or set MEDFORMER_CODE_VERSION`,
      { cause },
    );
  }
}
