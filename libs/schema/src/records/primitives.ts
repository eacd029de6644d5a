import { z } from 'zod';

/** SHA-256 of an artefact's bytes (blobs) or of its canonical JSON (records). */
export const ContentHash = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits');

/** Lower-case words joined by single hyphens: dataset, task, method, modality and body-part names. */
export const Slug = z
  .string()
  .max(64)
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'expected lower-case words joined by hyphens, e.g. "barlow-twins"');

/** `[height, width, channels]` or `[depth, height, width, channels]`. */
export const ImageShape = z.array(z.number().int().min(1).max(65_535)).min(3).max(4);

export const Split = z.enum(['train', 'val', 'test']);
export type Split = z.infer<typeof Split>;

/** Little-endian, row-major. uint8 spans 0-255 and uint16 spans 0-65535 over the normalised range [0, 1]. */
export const PixelType = z.enum(['uint8', 'uint16']);
export type PixelType = z.infer<typeof PixelType>;
