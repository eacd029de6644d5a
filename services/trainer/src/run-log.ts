import { once } from 'node:events';

const KEPT_LINES = 5000;

/** The last lines that a run's process wrote, for whoever wants to read along. */
export class RunLog {
  private lines: string[] = [];
  /** Lines there were before those that are kept. */
  private dropped = 0;
  private rest = '';
  private closed = false;
  private readonly changes = new EventTarget();

  write(text: string): void {
    const parts = (this.rest + text).split('\n');
    this.rest = parts.pop()!;
    if (parts.length === 0) return;
    this.lines.push(...parts);
    const many = this.lines.length - KEPT_LINES;
    if (many > 0) {
      this.lines.splice(0, many);
      this.dropped += many;
    }
    this.changed();
  }

  /** A run that starts again writes on. */
  open(): void {
    this.closed = false;
  }

  close(): void {
    if (this.rest !== '') this.write('\n');
    this.closed = true;
    this.changed();
  }

  /** Whole lines, each chunk as many as there are. A reader that is too slow misses the oldest. */
  async *read(
    { follow, tailLines }: { follow: boolean; tailLines: number },
    signal: AbortSignal,
  ): AsyncGenerator<string> {
    const end = this.dropped + this.lines.length;
    let next = tailLines > 0 ? Math.max(this.dropped, end - tailLines) : this.dropped;
    for (;;) {
      const from = Math.max(next, this.dropped) - this.dropped;
      const unread = this.lines.slice(from);
      next = this.dropped + this.lines.length;
      if (unread.length > 0) yield `${unread.join('\n')}\n`;
      else if (this.closed || !follow) return;
      else await once(this.changes, 'change', { signal });
      if (!follow) return;
    }
  }

  private changed(): void {
    this.changes.dispatchEvent(new Event('change'));
  }
}
