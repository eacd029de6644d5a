/** Tables for people; numbers for machines are in the JSON file. */

/** @param {string[][]} rows the first one is the head */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  const [head, ...rest] = rows.map(line);
  return [head, '─'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)), ...rest].join('\n');
}

/** Of the machine; beside more than this no time is worth telling. */
const MOST_OTHERS = 0.05;

/** The result of one case: a table of times by side, or the case's own `head` and `lines`. */
export function printCase({ title }, result) {
  const { head, lines } = result.head ? result : timesBySide(result);
  const left = Object.entries(result.failed ?? {}).map(
    ([side, why]) => `left out: ${side}: ${why.split('\n').at(-1)}`,
  );
  const beside =
    result.others > MOST_OTHERS
      ? [`other processes took ${(100 * result.others).toFixed(0)} % of the machine meanwhile: measure again`]
      : [];
  return [
    `\n${title}`,
    table([head, ...lines]),
    ...result.promises.map(promise),
    ...result.notes,
    ...left,
    ...beside,
  ].join('\n');
}

function timesBySide({ unit, rows, columns }) {
  return {
    head: [unit, 'median', 'quartiles', 'min – max', ...columns.map(([name]) => name)],
    lines: rows.map((row) => [
      row.side,
      digits(row.ms.median),
      `${digits(row.ms.lower)} – ${digits(row.ms.upper)}`,
      `${digits(row.ms.min)} – ${digits(row.ms.max)}`,
      ...columns.map(([, text]) => text(row)),
    ]),
  };
}

/**
 * Whether the promise is kept, judged by the median.
 * @param {{ found: number | { median: number }, least?: number | undefined, most?: number | undefined }} promise
 */
export function isKept({ found, least, most }) {
  const value = typeof found === 'number' ? found : found.median;
  return least === undefined ? value <= most : value >= least;
}

function promise({ what, found, least, most, percent, count }) {
  const show = (value) => {
    if (count) return String(value);
    return percent ? `${(100 * value).toFixed(1)} %` : `${value.toFixed(2)}×`;
  };
  const value =
    typeof found === 'number'
      ? show(found)
      : `${show(found.median)} (${show(found.min)} – ${show(found.max)})`;
  const wanted = least === undefined ? `at most ${show(most)}` : `at least ${show(least)}`;
  return `${isKept({ found, least, most }) ? '✓' : '✗'} ${what}: ${value}, wanted ${wanted}`;
}

export function digits(value) {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
