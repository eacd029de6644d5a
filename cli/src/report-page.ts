import { open, rename } from 'node:fs/promises';
import type { DrawViewsResponse } from '@medformer/gen/augmentation';
import { EvaluationServiceService, type RenderReportRequest } from '@medformer/gen/evaluation';
import type { Context } from './context.js';

/** Writes the report's HTML page whole or not at all. */
export async function writeReportPage(
  { connection }: Context,
  report: string,
  samples: DrawViewsResponse[],
  file: string,
  fusions?: RenderReportRequest['fusions'],
): Promise<void> {
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w');
  try {
    const request = {
      report,
      fusions,
      samples: samples.flatMap((drawn) =>
        drawn.image === undefined
          ? []
          : [
              {
                caption: [drawn.modality, drawn.bodyPart].filter((word) => word !== '').join(', '),
                names: [],
                images: [drawn.image, ...drawn.views.flatMap((view) => (view.image ? [view.image] : []))],
              },
            ],
      ),
    };
    for await (const { htmlChunk } of connection.serverStream(
      EvaluationServiceService.renderReport,
      request,
    )) {
      await handle.write(htmlChunk);
    }
  } finally {
    await handle.close();
  }
  await rename(partial, file);
}
