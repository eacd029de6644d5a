import { AugmentationServiceService } from '@medformer/gen/augmentation';
import type { SampleViews } from '@medformer/gen/evaluation';
import { FusionSpec } from '@medformer/schema';
import type { Context } from '../context.js';
import { fusionPictures } from '../fusion-panel.js';
import { writeReportPage } from '../report-page.js';
import type { ReproductionPlan } from './reproduction-plan.js';
import type { Reproduction } from './run-reproduction.js';

/** Fusions shown of each number of patients. */
const SHOWN = 2;

/** The scores as a page, with what fusions look like and how good they are. */
export async function writeReproductionPage(
  context: Context,
  plan: ReproductionPlan,
  { report, generator, qualities }: Reproduction,
  file: string,
): Promise<void> {
  const panels: SampleViews[] = [];
  for (const sources of new Set(FusionSpec.parse(plan.fusionSpec()).sources))
    panels.push(...(await panelsOf(context, plan, generator, sources)));
  await writeReportPage(context, report, [], file, {
    qualities: qualities.map(({ quality }) => quality),
    panels,
  });
}

async function panelsOf(
  { connection }: Context,
  { dataset, fusionSpec }: ReproductionPlan,
  generator: string,
  sources: number,
): Promise<SampleViews[]> {
  const { fusions } = await connection.unary(AugmentationServiceService.fuse, {
    dataset,
    spec: { ...fusionSpec(generator), sources: [sources] },
    first: 0n,
    count: SHOWN,
    imageIds: [],
    withSources: true,
  });
  return fusions.map((fusion) => {
    const pictures = fusionPictures(fusion);
    return {
      caption: `Fusion ${fusion.index} of ${sources} ${sources === 1 ? 'patient' : 'patients'}`,
      images: pictures.map(({ picture }) => picture),
      names: pictures.map(({ name }) => name),
    };
  });
}
