import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EvaluationServiceService, type ExportScoresRequest } from '@medformer/gen/evaluation';
import { MedformerError } from '@medformer/schema';
import type { Context } from './context.js';

/**
 * Writes the files of an export of scores into a folder, each whole or not at all; files of the same names are replaced.
 * @returns their paths
 */
export async function exportScores(
  { connection }: Context,
  request: ExportScoresRequest,
  folder: string,
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const written: string[] = [];
  let file: PartialFile | undefined;
  try {
    for await (const { part } of connection.serverStream(EvaluationServiceService.exportScores, request)) {
      if (part?.$case === 'fileName') {
        if (file) written.push(await file.keep());
        file = await PartialFile.in(folder, part.value);
      } else if (part?.$case === 'chunk') {
        if (!file) throw new MedformerError('DATA_LOSS', 'the service sent bytes before a file name');
        await file.write(part.value);
      }
    }
    if (file) written.push(await file.keep());
    file = undefined;
    return written;
  } finally {
    await file?.drop();
  }
}

class PartialFile {
  private constructor(
    private readonly path: string,
    private readonly handle: Awaited<ReturnType<typeof open>>,
  ) {}

  static async in(folder: string, name: string): Promise<PartialFile> {
    if (name !== basename(name) || name.startsWith('.')) {
      throw new MedformerError('DATA_LOSS', `the service sent a file for ${JSON.stringify(name)}`);
    }
    const path = join(folder, name);
    return new PartialFile(path, await open(`${path}.partial`, 'w'));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.handle.write(bytes);
  }

  async keep(): Promise<string> {
    await this.handle.close();
    await rename(`${this.path}.partial`, this.path);
    return this.path;
  }

  async drop(): Promise<void> {
    await this.handle.close();
    await rm(`${this.path}.partial`, { force: true });
  }
}
