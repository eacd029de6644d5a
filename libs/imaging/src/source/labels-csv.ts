import { badInput, type LabelSpace, Slug, Split } from '@medformer/schema';
import { parse } from 'csv-parse/sync';
import type { z } from 'zod';

/** One row of `labels.csv`; only `file` is always there. */
export interface LabelRow {
  file: string;
  /** Line of the table, for messages. */
  line: number;
  subject?: string;
  modality?: string;
  bodyPart?: string;
  split?: Split;
  /** Class name by task; tasks whose cell is empty are left out. */
  classes: Record<string, string>;
}

export interface LabelTable {
  rows: LabelRow[];
  /** In the order of the columns. */
  tasks: string[];
}

export const LABELS_FILE = 'labels.csv';
const RESERVED = ['file', 'subject', 'modality', 'body_part', 'split'];
const MAX_CLASSES = 1000;
const MAX_TABLE_BYTES = 256 * 1024 * 1024;

/**
 * Reads `labels.csv` (RFC 4180, UTF-8, with a header line). The columns file, subject, modality, body_part and split
 * have their meaning; every other column is a classification task.
 *
 * @throws MedformerError INVALID_ARGUMENT naming line and column.
 */
export function parseLabelTable(bytes: Uint8Array, file = 'labels.csv'): LabelTable {
  if (bytes.length > MAX_TABLE_BYTES) {
    const found = `${bytes.length} bytes`;
    throw badInput({ file, field: 'table', expected: `at most ${MAX_TABLE_BYTES} bytes`, found });
  }
  const [header = [], ...lines] = parseCsv(bytes, file);
  const columns = header.map((cell) => cell.trim());
  if (!columns.includes('file')) {
    const found =
      columns
        .slice(0, 8)
        .map((column) => column.slice(0, 40))
        .join(', ') || 'nothing';
    throw badInput({ file, field: 'header', expected: 'a column "file"', found });
  }
  const tasks = new Map<number, string>();
  for (const [index, column] of columns.entries()) {
    if (columns.indexOf(column) !== index) {
      throw badInput({ file, field: 'header', expected: 'every column once', found: `"${column}" twice` });
    }
    if (RESERVED.includes(column)) continue;
    const task = column.toLowerCase().replaceAll(/[ _]+/g, '-');
    tasks.set(index, cellAs(Slug, task, file, 'header'));
  }
  const rows = lines.map((cells, index) => parseRow(cells, columns, tasks, file, index + 2));
  return { rows, tasks: [...tasks.values()] };
}

/**
 * The label space of each task and every row's class index. Two classes make a binary task, more a multi-class one;
 * classes stand in code-point order.
 *
 * @throws MedformerError INVALID_ARGUMENT for a task with fewer than 2 or more than 1000 classes.
 */
export function labelSpacesOf(
  rows: readonly LabelRow[],
  tasks: readonly string[],
  file = 'labels.csv',
): LabelSpace[] {
  return tasks.map((task) => {
    const names = new Set(rows.flatMap(({ classes }) => classes[task] ?? []));
    if (names.size < 2 || names.size > MAX_CLASSES) {
      const found = `${names.size} different values`;
      throw badInput({ file, field: `column ${task}`, expected: `2 to ${MAX_CLASSES} classes`, found });
    }
    const classes = [...names].sort((x, y) => (x < y ? -1 : 1));
    return { task, kind: classes.length === 2 ? 'binary' : 'multi-class', classes };
  });
}

function parseCsv(bytes: Uint8Array, file: string): string[][] {
  try {
    return parse(Buffer.from(bytes), { bom: true, skip_empty_lines: true });
  } catch (cause) {
    const { code = 'malformed', lines } = cause as { code?: string; lines?: number };
    throw badInput(
      { file, field: `line ${lines}`, expected: 'comma-separated values', found: code },
      { cause },
    );
  }
}

function parseRow(
  cells: string[],
  columns: string[],
  tasks: Map<number, string>,
  file: string,
  line: number,
): LabelRow {
  const cell = (column: string) => cells[columns.indexOf(column)]?.trim() ?? '';
  const path = cell('file').replace(/^\.\//, '');
  if (!path)
    throw badInput({ file, field: `line ${line}, file`, expected: 'a path', found: 'an empty cell' });
  const row: LabelRow = { file: path, line, classes: {} };
  if (cell('subject')) row.subject = cell('subject');
  for (const [column, key] of [
    ['modality', 'modality'],
    ['body_part', 'bodyPart'],
  ] as const) {
    const text = cell(column).toLowerCase().replaceAll(/[ _]+/g, '-');
    if (text) row[key] = cellAs(Slug, text, file, `line ${line}, ${column}`);
  }
  if (columns.includes('split')) row.split = cellAs(Split, cell('split'), file, `line ${line}, split`);
  for (const [index, task] of tasks) {
    const name = cells[index]?.trim();
    if (name) row.classes[task] = name;
  }
  return row;
}

function cellAs<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  file: string,
  field: string,
): z.output<Schema> {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  const expected =
    schema === (Split as z.ZodType) ? 'train, val or test' : 'lower-case words joined by hyphens';
  throw badInput({ file, field, expected, found: JSON.stringify(text.slice(0, 40)) });
}
