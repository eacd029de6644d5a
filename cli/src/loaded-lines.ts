import type { LoadReport } from '@medformer/schema';
import { short } from './terminal.js';

/** What a run took over from the checkpoint it starts from: counts, and by name what is not as it was. */
export function loadedLines(report: LoadReport): string[] {
  const { checkpoint, matched, reshaped, missing, unexpected, misshapen, fresh, leftBehind, parameters } =
    report;
  const count = (numbers: number) => numbers.toLocaleString('en');
  const shape = (axes: readonly number[]) => `[${axes.join(', ')}]`;
  const parts = (tensors: readonly { name: string }[]) =>
    [...new Set(tensors.map(({ name }) => name.split('/').slice(0, 2).join('/')))].join(', ');
  const some = (tensors: readonly { name: string }[], what: string) =>
    tensors.length === 0 ? [] : [`  ${tensors.length} ${what}: ${parts(tensors)}`];
  return [
    `starts from checkpoint ${short(checkpoint)}: ${matched.length} tensors as they were`,
    ...(parameters
      ? [`  ${count(parameters.trained)} parameters trained, ${count(parameters.frozen)} frozen`]
      : []),
    ...reshaped.map(({ name, from, to }) => `  ${name} ${shape(from)} by key into ${shape(to)}`),
    ...some(fresh, 'of its own method and tasks from the seed'),
    ...some(leftBehind, "of the other's left behind"),
    ...missing.map(({ name, shape: of }) => `  missing: ${name} ${shape(of)}, from the seed`),
    ...unexpected.map(({ name, shape: of }) => `  unexpected: ${name} ${shape(of)}, left behind`),
    ...misshapen.map(
      ({ name, from, to }) => `  of another shape: ${name} ${shape(from)}, from the seed as ${shape(to)}`,
    ),
  ];
}
