import type { MetricSummary, ScoreReport } from '@medformer/schema';

/** `71.3 ± 1.2`, in percent; without a spread when there is one value. */
export function percentWithStd({ mean, std, values }: MetricSummary): string {
  return values.length === 1 ? percent(mean) : `${percent(mean)} ± ${percent(std)}`;
}

/** `71.3` for 0.713. */
export function percent(fraction: number): string {
  return (100 * fraction).toFixed(1);
}

/** The first twelve digits of a content address: enough to tell artefacts apart by eye. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** Accuracy of a guess among equally likely classes; each label of a multi-label task is a guess between two. */
export function chanceAccuracy({ classes, taskKind }: Pick<ScoreReport, 'classes' | 'taskKind'>): number {
  return taskKind === 'multi-label' ? 0.5 : 1 / classes.length;
}

/** `0.031`, or `< 0.001`. */
export function pValue(p: number): string {
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}
