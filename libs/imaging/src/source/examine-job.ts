import { type AuditedFile, auditedFile, deidentifyDicom, type Profile } from '@medformer/deidentify';
import { type DicomIdentity, readDicomIdentity } from '../dicom/identity.js';
import { readVerified } from './decode-job.js';

/** A DICOM file to be read, checked and cleaned, for what must be known of it before images are decoded. */
export interface ExamineJob {
  /** What errors call it. */
  name: string;
  file: { path: string; location: string; sha256: string };
  /** As of a `DecodeJob`. */
  deidentification?: Profile;
}

export interface Examined {
  /** Of the cleaned file where it is cleaned. */
  identity: DicomIdentity;
  audited?: AuditedFile;
}

/** @throws MedformerError as `runDecodeJob` */
export async function runExamineJob({ file, deidentification }: ExamineJob): Promise<Examined> {
  const bytes = await readVerified(file);
  if (!deidentification) return { identity: readDicomIdentity(bytes, file.path) };
  const clean = deidentifyDicom(bytes, deidentification, file.path);
  const audited = auditedFile(deidentification.key, bytes, clean);
  return { identity: readDicomIdentity(clean.bytes, file.path), audited };
}
