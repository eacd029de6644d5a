import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';

/** stdout carries results only; progress and remarks go to stderr, so that pipes stay clean. */
export class Terminal {
  constructor(
    readonly json: boolean,
    private readonly out: Writable = process.stdout,
    private readonly err: Writable & { isTTY?: boolean } = process.stderr,
    private readonly works = 1,
  ) {}

  /** The command's result: `record` as one JSON document with --json, else `text`. */
  result(record: unknown, text: string): void {
    this.out.write(`${this.json ? toJson(record) : text}\n`);
  }

  /** Text that is the result itself, as it comes. */
  text(text: string): void {
    this.out.write(text);
  }

  note(line: string): void {
    this.err.write(`${line}\n`);
  }

  /** A bar on a terminal; elsewhere, and where several go on at once, a line every few seconds. */
  progress(label: string): Progress {
    return new Progress(label, this.err, this.works);
  }

  /** The same for so many pieces of work at once: together they write as often as one alone. */
  sideBySide(works: number): Terminal {
    return new Terminal(this.json, this.out, this.err, works);
  }
}

/** How long a plain line stands before the next, and how long quick work stays silent. */
const LINE_EVERY_MS = 5000;
const FIRST_LINE_AFTER_MS = 500;

export class Progress {
  #bar: SingleBar | undefined;
  #nextLineAt = performance.now() + FIRST_LINE_AFTER_MS;

  constructor(
    private readonly label: string,
    private readonly stream: Writable & { isTTY?: boolean },
    private readonly works = 1,
  ) {}

  /** `detail` stands behind the counts, e.g. `loss 1.23 · 410 images/s · ETA 12 s`. */
  update(done: number, total: number, detail: string): void {
    if (this.stream.isTTY === true && this.works === 1) this.#draw(done, total, detail);
    else this.#write(done, total, detail);
  }

  /** The bar goes; what is to stay is said by the result. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #draw(done: number, total: number, detail: string): void {
    if (this.#bar === undefined) {
      this.#bar = new SingleBar({
        stream: this.stream as NodeJS.WritableStream,
        format: `${this.label} [{bar}] {value}/{total} {detail}`,
        barsize: 24,
        barCompleteChar: '=',
        barIncompleteChar: ' ',
        hideCursor: true,
        clearOnComplete: true,
        gracefulExit: false,
      });
      this.#bar.start(total, done, { detail });
    }
    this.#bar.setTotal(total);
    this.#bar.update(done, { detail });
  }

  #write(done: number, total: number, detail: string): void {
    const now = performance.now();
    if (now < this.#nextLineAt) return;
    this.#nextLineAt = now + LINE_EVERY_MS * this.works;
    this.stream.write(`${this.label} ${done}/${total} ${detail}\n`);
  }
}

/** Records carry bigint counts (proto uint64) and bytes; JSON has neither. */
export function toJson(record: unknown): string {
  return JSON.stringify(
    record,
    (_key, value: unknown) => {
      if (typeof value === 'bigint')
        return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
      return value;
    },
    2,
  );
}

export function table(head: string[], rows: string[][]): string {
  const plain = new Table({ head, style: { head: [], border: [], compact: true } });
  plain.push(...rows);
  return plain.toString();
}

/** Key: value lines with the values in one column. */
export function facts(pairs: [string, string][]): string {
  const width = Math.max(...pairs.map(([key]) => key.length));
  return pairs.map(([key, value]) => `${key.padEnd(width)}  ${value}`).join('\n');
}

export function seconds(value: number): string {
  if (!Number.isFinite(value) || value < 0) return '?';
  if (value < 90) return `${Math.round(value)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The first digits of a content address: enough to recognise it, never to use it. */
export function short(address: string): string {
  return address.slice(0, 12);
}
