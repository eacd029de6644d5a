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

/** Collects what was done to each file; the same bytes count once. */
export class AuditLog {
  private readonly outcomes = new Map<string, { index: number; outcome: DeidentificationOutcome }>();
  private readonly files = new Map<string, DeidentificationAudit['files'][number]>();

  constructor(private readonly profile: Profile) {}

  add(original: Uint8Array, result: Uint8Array, outcome: DeidentificationOutcome): void {
    const digest = keyedDigest(this.profile.key, original);
    if (this.files.has(digest)) return;
    const shape = canonicalJson(outcome);
    const known = this.outcomes.get(shape) ?? { index: this.outcomes.size, outcome };
    this.outcomes.set(shape, known);
    this.files.set(digest, { original: digest, result: sha256(result), outcome: known.index });
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
