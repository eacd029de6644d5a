import type { GateSpec, PairedTest, Promotion, ScoreRow } from '@medformer/schema';

type Judgement = Pick<
  Promotion,
  'score' | 'servedScore' | 'difference' | 'interval' | 'promoted' | 'reasons'
>;

/**
 * Whether a candidate passes a gate: its mean score is at least the minimum, and the paired bootstrap's interval of
 * candidate less served does not reach below minus the margin (non-inferiority: what is not shown to be as good is
 * refused).
 * @param served the row of the checkpoint that answers now, with the tests of candidate (first) against it
 */
export function judgePromotion(
  { metric, minimum, margin, split }: Pick<GateSpec, 'metric' | 'minimum' | 'margin' | 'split'>,
  candidate: Pick<ScoreRow, 'auc' | 'accuracy'>,
  served?: { row: Pick<ScoreRow, 'auc' | 'accuracy'>; tests: readonly PairedTest[] },
): Judgement {
  const score = candidate[metric].mean;
  const reasons: string[] = [];
  if (score < minimum)
    reasons.push(`${metric} on ${split} images is ${shown(score)}, below the minimum of ${shown(minimum)}`);
  if (!served) return { score, promoted: reasons.length === 0, reasons };
  const test = served.tests.find((of) => of.metric === metric && of.test === 'paired-bootstrap');
  const { difference = score - served.row[metric].mean, interval } = test ?? {};
  if (!interval)
    reasons.push(`${metric} cannot be compared with that of the served model: too few images of a class`);
  else if (interval.low < -margin)
    reasons.push(
      `${metric} may be ${shown(-interval.low)} worse than the served model's (interval ${shown(interval.low)} to ${shown(interval.high)}), more than the margin of ${shown(margin)}`,
    );
  return {
    score,
    servedScore: served.row[metric].mean,
    difference,
    ...(interval ? { interval } : {}),
    promoted: reasons.length === 0,
    reasons,
  };
}

const shown = (value: number) => value.toFixed(4);
