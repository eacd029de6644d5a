import { z } from 'zod';
import { ContentHash } from './primitives.js';

const Count = z.number().int().min(0);

/**
 * What was done to attributes (PS3.15 Table E.1-1): removed (X), emptied (Z), given a dummy value (D) or another UID
 * (U), kept (K), cleaned (C).
 */
export const DeidentificationAction = z.enum(['X', 'Z', 'D', 'U', 'K', 'C']);
export type DeidentificationAction = z.infer<typeof DeidentificationAction>;

/** What whoever shares the data must know of it beyond its attributes. */
export const DeidentificationNote = z.enum([
  /** A face may be rebuilt from a scan of the head; nothing was removed. */
  'face-may-be-recognisable',
  /** Nothing says that the pixels show no text; they were not searched. */
  'pixels-unstated',
  /** Parts of the pixels were blanked by a rule for the device. */
  'pixels-blanked',
]);
export type DeidentificationNote = z.infer<typeof DeidentificationNote>;

/** What was done to one kind of file; files treated alike share it. */
export const DeidentificationOutcome = z.object({
  format: z.enum(['dicom', 'nifti', 'png', 'jpeg', 'tiff']),
  /** By keyword (DICOM), header field or kind of block; `private`, `unknown`, `overlay` and `curve` in sum. */
  actions: z.record(z.string(), z.partialRecord(DeidentificationAction, Count)),
  /** Codes of CID 7050 that were written. */
  codes: z.array(z.string()),
  notes: z.array(DeidentificationNote),
});
export type DeidentificationOutcome = z.infer<typeof DeidentificationOutcome>;

/** What was done to every file of a data set. Counts and hashes only, never a value. */
export const DeidentificationAudit = z.object({
  kind: z.literal('medformer.deidentification-audit.v1'),
  profile: z.string(),
  options: z.array(z.string()),
  /** Edition of PS3.15 whose Table E.1-1 was applied. */
  tableEdition: z.string(),
  outcomes: z.array(DeidentificationOutcome),
  /** In the order in which they were treated. */
  files: z.array(
    z.object({
      /** HMAC-SHA256 of the bytes that came in. */
      original: ContentHash,
      /** SHA-256 of the bytes that went out. */
      result: ContentHash,
      outcome: Count,
    }),
  ),
});
export type DeidentificationAudit = z.infer<typeof DeidentificationAudit>;
