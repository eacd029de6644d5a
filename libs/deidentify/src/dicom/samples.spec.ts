import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { MedformerError, sha256 } from '@medformer/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profileOf } from '../profile.js';
import { deidentifyDicom } from './deidentify-dicom.js';
import { bytesOf, readDicomFile } from './read-data-set.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const SAMPLES = join(ROOT, '.cache/format-samples');
const GOLDEN = join(ROOT, 'libs/deidentify/golden');

interface Seen {
  elements: number;
  private: number;
  removed: string;
  instance: boolean;
  syntax: string;
  pixels: string;
  warnings: string[];
}

/** pydicom's own test files, of many makers and transfer syntaxes, and the planted ones, read again by pydicom. */
describe('cleaned files, read by pydicom', () => {
  const profile = profileOf({ key: 'a key of these tests', acceptUnstatedPixels: true });
  const originals = new Map<string, Buffer>();
  let folder: string;
  let seen: Record<string, Seen>;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'deidentified-'));
    const files = [
      ...readdirSync(join(SAMPLES, 'pydicom'), { withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.dcm'))
        .map(({ name }) => [name, readFileSync(join(SAMPLES, 'pydicom', name))] as const),
      ...readdirSync(GOLDEN)
        .filter((name) => name.endsWith('.dcm.gz'))
        .map((name) => [name.replace('.gz', ''), gunzipSync(readFileSync(join(GOLDEN, name)))] as const),
    ];
    for (const [name, bytes] of files) {
      try {
        writeFileSync(join(folder, name), deidentifyDicom(bytes, profile, name).bytes);
        originals.set(name, bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(MedformerError);
      }
    }
    const out = execFileSync('python3', [join(ROOT, 'tools/deidentification/read_all.py'), folder], {
      env: { ...process.env, PYTHONPATH: join(SAMPLES, 'python') },
    });
    seen = JSON.parse(out.toString());
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are all read, element by element, as files of one instance each that say that identities are gone', () => {
    expect(originals.size).toBeGreaterThan(60);
    expect(Object.keys(seen).sort()).toEqual([...originals.keys()].sort());
    for (const [name, file] of Object.entries(seen)) {
      // Its dictionary is older than the table.
      const warnings = file.warnings.filter((warning) => !warning.startsWith('VR lookup failed'));
      expect({ ...file, warnings }, name).toMatchObject({
        private: 0,
        removed: 'YES',
        instance: true,
        warnings: [],
      });
      expect(file.elements, name).toBeGreaterThan(10);
    }
  });

  it('have the transfer syntax and, byte for byte, the pixels of their originals', () => {
    let compared = 0;
    for (const [name, bytes] of originals) {
      const { data, transferSyntax } = readDicomFile(bytes, name);
      expect(seen[name]!.syntax, name).toBe(transferSyntax);
      const element = data.elements.x7fe00010;
      if (!element) continue;
      const { data: after } = readDicomFile(readFileSync(join(folder, name)), name);
      expect(sha256(bytesOf(after, after.elements.x7fe00010!)), name).toBe(sha256(bytesOf(data, element)));
      compared += 1;
      if (!element.encapsulatedPixelData)
        expect(seen[name]!.pixels, name).toBe(sha256(bytesOf(data, element)));
    }
    expect(compared).toBeGreaterThan(40);
  });
});
