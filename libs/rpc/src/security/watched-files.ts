import { readFile } from 'node:fs/promises';
import { MedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';

/**
 * A value that is made of files and made again when their content changes. Contents are compared, not watched for
 * events: a mounted Kubernetes secret changes by a link two folders up. What cannot be read or parsed leaves the last
 * good value in place, for files of one rotation do not change at once.
 */
export class WatchedFiles<Value> {
  private timer: NodeJS.Timeout | undefined;
  private reading: Promise<void> | undefined;
  private complaint: string | undefined;

  private constructor(
    private readonly files: readonly string[],
    private readonly parse: (contents: readonly Buffer[]) => Value,
    private readonly options: { intervalMs: number; logger: Logger; onChange?: (value: Value) => void },
    private contents: readonly Buffer[],
    private current: Value,
  ) {
    this.timer = setInterval(() => {
      this.reading ??= this.look().finally(() => {
        this.reading = undefined;
      });
    }, options.intervalMs).unref();
  }

  /** @throws MedformerError INVALID_ARGUMENT that names the file that cannot be read, or what `parse` throws. */
  static async open<Value>(
    files: readonly string[],
    parse: (contents: readonly Buffer[]) => Value,
    options: { intervalMs: number; logger: Logger; onChange?: (value: Value) => void },
  ): Promise<WatchedFiles<Value>> {
    const contents = await readAll(files);
    return new WatchedFiles(files, parse, options, contents, parse(contents));
  }

  get value(): Value {
    return this.current;
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async look(): Promise<void> {
    try {
      const contents = await readAll(this.files);
      if (!this.timer || contents.every((bytes, index) => bytes.equals(this.contents[index]!))) return;
      this.current = this.parse(contents);
      this.contents = contents;
      this.complaint = undefined;
      this.options.onChange?.(this.current);
      this.options.logger.info({ files: this.files }, 'read changed files again');
    } catch (err) {
      const { message } = err as Error;
      // Once, not at every look.
      if (message !== this.complaint) {
        this.options.logger.error(
          { files: this.files, err },
          'cannot read changed files, keeping what they said before',
        );
      }
      this.complaint = message;
    }
  }
}

function readAll(files: readonly string[]): Promise<Buffer[]> {
  return Promise.all(
    files.map(async (file) => {
      try {
        return await readFile(file);
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        throw new MedformerError('INVALID_ARGUMENT', `${file}: cannot be read (${code})`, { cause });
      }
    }),
  );
}
