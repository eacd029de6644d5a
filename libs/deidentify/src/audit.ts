import {
  canonicalJson,
  type DeidentificationAudit,
  type DeidentificationOutcome,
  sha256,
} from '@medformer/schema';
import { keyedDigest } from './keyed.js';
import { PROFILE, type Profile } from './profile.js';
import { TABLE_EDITION } from './table/attributes.js';

const MAX_FILES_OF_RECORD = 100_000;

/** What was done to one file, without its bytes. */
export interface AuditedFile {
  /** A keyed hash of the bytes that came in. */
  original: string;
  /** SHA-256 of the bytes that came out. */
  result: string;
  outcome: DeidentificationOutcome;
}

export function auditedFile(
  key: string,
  original: Uint8Array,
  { bytes, outcome }: { bytes: Uint8Array; outcome: DeidentificationOutcome },
): AuditedFile {
  return { original: keyedDigest(key, original), result: sha256(bytes), outcome };
}

/** Collects what was done to each file; the same bytes count once. */
export class AuditLog {
  private readonly outcomes = new Map<string, { index: number; outcome: DeidentificationOutcome }>();
  private readonly files = new Map<string, DeidentificationAudit['files'][number]>();

  constructor(private readonly profile: Profile) {}

  add({ original, result, outcome }: AuditedFile): void {
    if (this.files.has(original)) return;
    const shape = canonicalJson(outcome);
    const known = this.outcomes.get(shape) ?? { index: this.outcomes.size, outcome };
    this.outcomes.set(shape, known);
    this.files.set(original, { original, result, outcome: known.index });
  }

  get size(): number {
    return this.files.size;
  }

  /** Of at most so many files each that one object of a store holds it. */
  records(filesEach = MAX_FILES_OF_RECORD): DeidentificationAudit[] {
    const files = [...this.files.values()];
    const outcomes = [...this.outcomes.values()].map(({ outcome }) => outcome);
    return Array.from({ length: Math.max(1, Math.ceil(files.length / filesEach)) }, (_, index) => ({
      kind: 'medformer.deidentification-audit.v1',
      profile: PROFILE,
      options: this.profile.options,
      tableEdition: TABLE_EDITION,
      outcomes,
      files: files.slice(index * filesEach, (index + 1) * filesEach),
    }));
  }
}
