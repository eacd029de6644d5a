import { badInput } from '@medformer/schema';
import { parse } from 'csv-parse/sync';
import { pseudonym } from './keyed.js';

/** Columns with a meaning of their own whose values are words of a list or are replaced. */
const KNOWN = new Set(['file', 'subject', 'modality', 'body_part', 'split']);

/**
 * `labels.csv` for cleaned files: paths replaced, subjects as pseudonyms, rows of files that are not there left out, and
 * of the other columns those that are asked for, for any of them may name a patient.
 *
 * @param paths new path by old path
 * @throws MedformerError INVALID_ARGUMENT for a table that cannot be read or lacks a column
 */
export function cleanLabels(
  bytes: Uint8Array,
  paths: ReadonlyMap<string, string>,
  { key, columns, file }: { key: string; columns: readonly string[]; file: string },
): string {
  const [header = [], ...rows] = readTable(bytes, file);
  const names = header.map((cell) => cell.trim());
  for (const wanted of ['file', ...columns]) {
    if (names.includes(wanted)) continue;
    throw badInput({
      file,
      field: 'header',
      expected: `a column ${wanted}`,
      found: `${names.length} others`,
    });
  }
  const kept = names.flatMap((name, index) => (KNOWN.has(name) || columns.includes(name) ? [index] : []));
  const at = names.indexOf('file');
  const lines = rows.flatMap((row) => {
    const path = paths.get((row[at] ?? '').trim());
    if (path === undefined) return [];
    return [
      kept.map((index) => {
        const cell = row[index] ?? '';
        if (index === at) return path;
        return names[index] === 'subject' && cell.trim() !== '' ? pseudonym(key, cell) : cell;
      }),
    ];
  });
  return [kept.map((index) => names[index]!), ...lines]
    .map((cells) => `${cells.map(quoted).join(',')}\n`)
    .join('');
}

function readTable(bytes: Uint8Array, file: string): string[][] {
  try {
    return parse(Buffer.from(bytes), { bom: true, skip_empty_lines: true, relax_column_count: true });
  } catch {
    // The parser's message may quote a cell.
    throw badInput({
      file,
      field: 'table',
      expected: 'comma-separated values (RFC 4180)',
      found: 'another text',
    });
  }
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
