import { type AuditedFile, AuditLog, PROFILE, type Profile, TABLE_EDITION } from '@medformer/deidentify';
import type { FileDeidentification } from '@medformer/imaging';
import { contentAddress, type DatasetManifest, type DeidentificationAudit } from '@medformer/schema';

/** The one way by which DICOM files reach the decoders: every file is cleaned first, and what was done is kept. */
export class DicomDeidentification implements FileDeidentification {
  readonly settings: string;
  private readonly log: AuditLog;

  constructor(readonly profile: Profile) {
    const { key: _secret, ...chosen } = profile;
    this.settings = contentAddress({ ...chosen, profile: PROFILE, table: TABLE_EDITION });
    this.log = new AuditLog(profile);
  }

  record(file: AuditedFile): void {
    this.log.add(file);
  }

  /** Nothing where no file was DICOM. */
  audits(): DeidentificationAudit[] {
    return this.log.size === 0 ? [] : this.log.records();
  }

  /** What the manifest says of DICOM files that were cleaned, beside what the source says of the rest. */
  describe(
    source: DatasetManifest['deidentification'],
    audits: string[],
  ): DatasetManifest['deidentification'] {
    if (audits.length === 0) return source;
    return {
      profile: PROFILE,
      options: this.profile.options,
      tableEdition: TABLE_EDITION,
      audits,
      notes: [
        `DICOM went through PS3.15 Annex E, ${TABLE_EDITION}, before anything was read of it.`,
        ...source.notes,
      ],
    };
  }
}
