import type { DataReport, ReportedImage } from '@medformer/schema';

/** Findings that a message names before it counts the rest. */
const NAMED = 3;

/** How many pairs of images and how many subjects stand in two splits. */
export function leaks({ duplicates, sharedSubjects }: DataReport): { pairs: number; subjects: number } {
  return { pairs: duplicates.exact.leaking + duplicates.near.leaking, subjects: sharedSubjects.length };
}

/**
 * What leaks between splits, in one sentence that names data set, images and splits; undefined where nothing does.
 * Subjects are pseudonyms.
 */
export function leakageText(report: DataReport): string | undefined {
  const { pairs, subjects } = leaks(report);
  if (pairs + subjects === 0) return undefined;
  const imageOf = ({ dataset, id, split }: ReportedImage) =>
    `${report.datasets.length > 1 ? `${report.datasets[dataset]!.name} ` : ''}${id} (${split})`;
  const named = [
    ...report.duplicates.listed
      .filter((pair) => pair.leaks)
      .map(({ kind, images: [first, second], hashDistance, detailCorrelation }) =>
        kind === 'exact'
          ? `${imageOf(first)} and ${imageOf(second)} have equal pixels`
          : `${imageOf(first)} and ${imageOf(second)} are nearly the same (${hashDistance} of 64 bits differ, fine structure correlates by ${detailCorrelation.toFixed(2)})`,
      ),
    ...report.sharedSubjects.map(
      ({ dataset, subject, splits }) =>
        `subject ${subject} of ${report.datasets[dataset]!.name} is in ${splits.join(' and ')}`,
    ),
  ].slice(0, NAMED);
  const more = pairs + subjects - named.length;
  const counted = [
    ...(pairs > 0 ? [`${pairs} ${pairs === 1 ? 'pair' : 'pairs'} of images`] : []),
    ...(subjects > 0 ? [`${subjects} ${subjects === 1 ? 'subject' : 'subjects'}`] : []),
  ].join(' and ');
  const names = report.datasets.map(({ name }) => name).join(', ');
  const verb = pairs + subjects === 1 ? 'stands' : 'stand';
  return `dataset ${names}: ${counted} ${verb} in two splits: ${named.join('; ')}${more > 0 ? `; ${more} more` : ''}`;
}
