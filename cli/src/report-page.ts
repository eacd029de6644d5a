import type { DrawViewsResponse } from '@medformer/gen/augmentation';
import { EvaluationServiceService, type RenderReportRequest } from '@medformer/gen/evaluation';
import type { Context } from './context.js';
import { writeWhole } from './write-whole.js';

/** Writes the report's HTML page whole or not at all. */
export async function writeReportPage(
  { connection }: Context,
  report: string,
  samples: DrawViewsResponse[],
  file: string,
  fusions?: RenderReportRequest['fusions'],
): Promise<void> {
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
  const chunks = async function* () {
    for await (const { htmlChunk } of connection.serverStream(EvaluationServiceService.renderReport, request))
      yield htmlChunk;
  };
  await writeWhole(file, chunks());
}
