import type { TaskHead } from '@medformer/medformer';
import type { ExpectedLoss } from '@medformer/schema';

/** Logits of a random head are no farther apart than makes up for this much of cross entropy. */
const LOGIT_SPREAD = 2;

/**
 * Cross entropy over `classes`: ln(classes) before anything is learnt, and for as long as all images are told alike. It
 * starts there exactly where the last layer starts at 0, else by what the random logits differ. The floor is the entropy
 * of the smoothed labels.
 */
export function expectedOfClasses(
  classes: number,
  { exact = false, labelSmoothing = 0 }: { exact?: boolean; labelSmoothing?: number },
): ExpectedLoss {
  const start = Math.log(classes);
  const own = 1 - labelSmoothing + labelSmoothing / classes;
  const other = labelSmoothing / classes;
  const floor = other > 0 ? -own * Math.log(own) - (classes - 1) * other * Math.log(other) : 0;
  const first = exact
    ? { least: 0.999 * start, most: 1.001 * start }
    : { least: 0.5 * start, most: start + LOGIT_SPREAD };
  return { start, floor, collapsed: start, first };
}

/** The same of a task's head; each label of a multi-label head is a guess between two. */
export function expectedOfHead(
  { kind, classes }: TaskHead,
  { labelSmoothing }: { labelSmoothing: number },
): ExpectedLoss {
  return expectedOfClasses(kind === 'multi-label' ? 2 : classes, { labelSmoothing });
}
