import { loadCheckpoint } from '@medformer/checkpoint';
import { readImageFile } from '@medformer/imaging';
import { codeRows, Medformer, RecordedForward } from '@medformer/medformer';
import { openObjectStore } from '@medformer/object-store';
import { MedformerError } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import type {
  Encoding,
  EncodingCalls,
  EncodingImage,
  ModelDescription,
  ModelSource,
} from './encoding-calls.js';

/** Shapes every model answers once before it is called ready: the first run of a shape allocates and is slow. */
const WARM_UP_SHAPES = [
  [1, 28, 28, 1],
  [1, 28, 28, 28, 1],
];

/** A checkpoint in memory, ready to encode. */
export class LoadedModel {
  private constructor(
    private readonly model: Medformer,
    private readonly embed: RecordedForward,
    readonly description: ModelDescription,
  ) {}

  static async load({ store: storeConfig, checkpoint, threads }: ModelSource): Promise<LoadedModel> {
    const store = await openObjectStore(storeConfig);
    const { record, weights } = await loadCheckpoint(store, checkpoint);
    await useBackend(threads ? { threads } : {});
    const model = Medformer.fromCheckpoint(record, weights);
    const embed = new RecordedForward(model.codes, (pixels, rows) => model.embed(pixels, rows));
    for (const shape of WARM_UP_SHAPES) await embed.warmUp(shape);
    return new LoadedModel(model, embed, {
      checkpoint,
      run: record.run,
      dataset: record.dataset,
      codeVersion: record.codeVersion,
      method: record.spec.method.name,
      step: record.step,
      width: record.model.width,
      parameters: model.parameters.size,
      modalities: record.codes.modalities,
      bodyParts: record.codes.bodyParts,
    });
  }

  async encode({ image, ...named }: Omit<EncodingCalls['encode']['input'], 'model'>): Promise<Encoding> {
    const began = performance.now();
    const { shape, pixels, modality, bodyPart } = await pixelsOf(image, named);
    const decoded = performance.now();
    const notes = [
      ...missingCode('modality', modality, this.model.codes.modalities),
      ...missingCode('body part', bodyPart, this.model.codes.bodyParts),
    ];
    const input = tf.tensor(pixels, [1, ...shape]);
    const output = await this.embed.run(input, { modality: [modality], bodyPart: [bodyPart] });
    const embedding = Float32Array.from(output.dataSync());
    tf.dispose([input, output]);
    return { embedding, notes, decodeMs: decoded - began, inferMs: performance.now() - decoded };
  }
}

/** Pixels in [0, 1]; what a file says of itself goes before what the caller says. */
async function pixelsOf(image: EncodingImage, named: { modality: string; bodyPart: string }) {
  const read = image.kind === 'file' ? await readImageFile(image.content, image.name, named.modality) : image;
  const scale = read.pixels instanceof Uint8Array ? 255 : read.pixels instanceof Uint16Array ? 65_535 : 1;
  const pixels = Float32Array.from(read.pixels, (value) => value / scale);
  const outside = pixels.findIndex((value) => !(value >= 0 && value <= 1));
  if (outside >= 0) {
    throw new MedformerError(
      'INVALID_ARGUMENT',
      `image: pixel ${outside}: expected a number in [0, 1], found ${pixels[outside]}`,
    );
  }
  return { ...named, ...read, pixels };
}

function missingCode(kind: string, name: string, known: string[]): string[] {
  if (name === '') return [`no ${kind} was named: the shared code was used`];
  if (codeRows(known, [name]).unknown.length === 0) return [];
  return [`${kind} "${name}" has no trained code: the shared code was used`];
}
