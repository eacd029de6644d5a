import { z } from 'zod';

/** Which labelled training images may be used: all when neither is said. */
export const LABEL_DRAW = {
  /** So many of each class, drawn by seed; of a multi-label task so many positives of each label, and images without any. */
  labelsPerClass: z.number().int().min(1).optional(),
  /** This share of each class, at least one, drawn by seed; likewise of each label, and of images without any. */
  labelFraction: z.number().gt(0).max(1).optional(),
};

export interface LabelDraw {
  labelsPerClass?: number | undefined;
  labelFraction?: number | undefined;
}

/** Whether a seed decides which labels there are. */
export function drawsLabels({ labelsPerClass, labelFraction = 1 }: LabelDraw): boolean {
  return labelsPerClass !== undefined || labelFraction < 1;
}

/** `10 labels per class`, `5 % of the labels` or `all labels`. */
export function labelDrawText({ labelsPerClass, labelFraction }: LabelDraw): string {
  if (labelsPerClass !== undefined) return `${labelsPerClass} labels per class`;
  if (labelFraction === undefined || labelFraction === 1) return 'all labels';
  return `${Number((100 * labelFraction).toPrecision(6))} % of the labels`;
}

/** For `refine`: the two are ways to say one thing. */
export const oneLabelDraw = {
  holds: ({ labelsPerClass, labelFraction }: LabelDraw) =>
    labelsPerClass === undefined || labelFraction === undefined,
  error: 'expected one of labelsPerClass and labelFraction',
};
