import { IngestionServiceService, type RenderDatasetPageRequest } from '@medformer/gen/ingestion';
import type { Context } from './context.js';
import { writeWhole } from './write-whole.js';

/** Writes a data set's page with live progress; the answer is how many images it shows. */
export async function writeDatasetPage(
  { connection, terminal }: Context,
  request: RenderDatasetPageRequest,
  file: string,
): Promise<number> {
  const progress = terminal.progress(`page ${request.dataset}`);
  let images = 0;
  const chunks = async function* () {
    for await (const { event } of connection.serverStream(
      IngestionServiceService.renderDatasetPage,
      request,
    )) {
      if (event?.$case === 'htmlChunk') yield event.value;
      if (event?.$case !== 'progress') continue;
      const { stage, done, total } = event.value;
      if (stage === 'draw') images = Number(total);
      progress.update(Number(done), Number(total), stage === 'draw' ? 'images' : 'shards looked through');
    }
  };
  try {
    await writeWhole(file, chunks());
  } finally {
    progress.stop();
  }
  return images;
}
