import { z } from 'zod';

/**
 * Where a device writes text into its images, in pixels of the image. A rule holds for images of the modality, and of the
 * manufacturer, model, rows and columns where it names them.
 */
export const PixelRegionRule = z.object({
  /** Value of (0008,0060), e.g. US. */
  modality: z.string().min(1).max(16),
  /** Equal up to case and surrounding spaces. */
  manufacturer: z.string().optional(),
  model: z.string().optional(),
  rows: z.number().int().positive().optional(),
  columns: z.number().int().positive().optional(),
  blank: z
    .array(
      z.object({
        left: z.number().int().min(0),
        top: z.number().int().min(0),
        width: z.number().int().positive(),
        height: z.number().int().positive(),
      }),
    )
    .min(1),
});
export type PixelRegionRule = z.infer<typeof PixelRegionRule>;
