import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ROOT } from './services.js';

/** A value that tools/golden/deidentification.py planted in an attribute. */
export interface Planted {
  where: string;
  vr: string;
  keyword: string;
  value: Buffer;
}

const GOLDEN = join(ROOT, 'libs/deidentify/golden');
/** Kept by the option Retain Patient Characteristics; with times of day and ages all that may stay of what is planted. */
const RETAINED = new Set(
  'PatientSex PatientSize PatientWeight EthnicGroup EthnicGroups SmokingStatus PatientSexNeutered SexParametersForClinicalUseCategoryReference'.split(
    ' ',
  ),
);
const PREFIX = 8;

/** A DICOM file with a planted value in every attribute of PS3.15 Table E.1-1, at three depths. */
export async function plantedDicom(syntax: string): Promise<Buffer> {
  return gunzipSync(await readFile(join(GOLDEN, `planted-${syntax}.dcm.gz`)));
}

/** What was planted in it and no option retains. */
export async function plantedValues(): Promise<Planted[]> {
  const list: { where: string; vr: string; keyword: string; hex: string }[] = JSON.parse(
    gunzipSync(await readFile(join(GOLDEN, 'planted.json.gz'))).toString(),
  );
  return list
    .filter(({ vr, keyword }) => vr !== 'TM' && vr !== 'AS' && !RETAINED.has(keyword))
    .map(({ hex, ...entry }) => ({ ...entry, value: Buffer.from(hex, 'hex') }));
}

/**
 * Looks for values as they are, in UTF-16 of both orders and in base64 of every alignment, whatever the case.
 * Returns what finds them in bytes: the values found, by what they are called.
 */
export function searcher(values: readonly Pick<Planted, 'keyword' | 'value'>[]): (bytes: Buffer) => string[] {
  const byPrefix = new Map<string, { keyword: string; needle: string }[]>();
  for (const { keyword, value } of values) {
    for (const form of formsOf(value)) {
      const needle = form.toString('latin1').toLowerCase();
      if (needle.length < PREFIX) throw new Error(`${keyword}: too short to be looked for`);
      const prefix = needle.slice(0, PREFIX);
      byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), { keyword, needle }]);
    }
  }
  return (bytes) => {
    const text = bytes.toString('latin1').toLowerCase();
    const found = new Set<string>();
    for (let at = 0; at + PREFIX <= text.length; at += 1) {
      for (const { keyword, needle } of byPrefix.get(text.slice(at, at + PREFIX)) ?? []) {
        if (text.startsWith(needle, at)) found.add(keyword);
      }
    }
    return [...found];
  };
}

/** Every file under a folder, or the file: its path, which counts as content too, and its bytes. */
export async function* everyFile(path: string): AsyncGenerator<{ path: string; bytes: Buffer }> {
  if ((await stat(path)).isFile()) {
    yield { path, bytes: await readFile(path) };
    return;
  }
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile()) yield { path: file, bytes: await readFile(file) };
  }
}

function formsOf(value: Buffer): Buffer[] {
  const wide = Buffer.from(value.toString('latin1'), 'utf16le');
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), value])
      .toString('base64')
      .replace(/=+$/, '');
    // What neighbours share a character with the value may change it.
    return Buffer.from(text.slice(shift === 0 ? 0 : shift + 1, -1));
  });
  return [value, wide, Buffer.from(wide).swap16(), ...base64];
}
