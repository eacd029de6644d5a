import { loadCheckpoint } from '@medformer/checkpoint';
import { readImageFile } from '@medformer/imaging';
import { attend, attentionRollout, codeRows, Medformer, RecordedForward } from '@medformer/medformer';
import { openObjectStore } from '@medformer/object-store';
import { badInput, MedformerError } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import type {
  Attention,
  AttentionMap,
  Encoding,
  EncodingImage,
  EncodingRequest,
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

  async encode({ image, ...named }: EncodingRequest): Promise<Encoding> {
    const began = performance.now();
    const { shape, pixels, modality, bodyPart } = await pixelsOf(image, named);
    const decoded = performance.now();
    const notes = this.notesOn(shape, modality, bodyPart);
    const input = tf.tensor(pixels, [1, ...shape]);
    const output = await this.embed.run(input, { modality: [modality], bodyPart: [bodyPart] });
    const embedding = Float32Array.from(output.dataSync());
    tf.dispose([input, output]);
    return { embedding, notes, decodeMs: decoded - began, inferMs: performance.now() - decoded };
  }

  /** An embedding's attention: op by op, beside what serves. */
  async attend({ image, ...named }: EncodingRequest, layers: string[]): Promise<Attention> {
    const { shape, pixels, modality, bodyPart } = await pixelsOf(image, named);
    const input = tf.tensor(pixels, [1, ...shape]);
    const { embedding, maps, ...places } = attend(this.model, input, {
      modality: [modality],
      bodyPart: [bodyPart],
    });
    const heat = attentionRollout(maps);
    try {
      return {
        ...places,
        heat: Float32Array.from(heat.dataSync()),
        maps: chosenMaps(maps, layers),
        layers: [...maps.keys()],
        image: { shape, pixels: Uint8Array.from(pixels, (value) => Math.round(255 * value)) },
        notes: this.notesOn(shape, modality, bodyPart),
      };
    } finally {
      tf.dispose([input, embedding, heat, ...maps.values()]);
    }
  }

  private notesOn(shape: number[], modality: string, bodyPart: string): string[] {
    return [
      ...missingCode('modality', modality, this.model.codes.modalities),
      ...missingCode('body part', bodyPart, this.model.codes.bodyParts),
      ...unseenShape(shape.slice(0, -1), this.model),
    ];
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

/** More than this no message takes, with room for the image. */
const MOST_MAP_BYTES = 32 * 1024 * 1024;

/** @throws MedformerError RESOURCE_EXHAUSTED when they are too large to be sent */
function chosenMaps(maps: ReadonlyMap<string, tf.Tensor>, layers: string[]): AttentionMap[] {
  const chosen = layers.map((layer) => {
    const weights = maps.get(layer);
    const expected = [...maps.keys()].join(', ');
    if (!weights) throw badInput({ file: 'request', field: 'layers', expected, found: layer });
    return { layer, weights };
  });
  const bytes = chosen.reduce((sum, { weights }) => sum + 4 * weights.size, 0);
  if (bytes > MOST_MAP_BYTES) {
    throw new MedformerError(
      'RESOURCE_EXHAUSTED',
      `attention: expected at most ${MOST_MAP_BYTES / 2 ** 20} MiB of weights, found ${Math.ceil(bytes / 2 ** 20)}: name fewer layers`,
    );
  }
  return chosen.map(({ layer, weights }) => ({
    layer,
    shape: weights.shape.slice(1),
    weights: Float32Array.from(weights.dataSync()),
  }));
}

function unseenShape(shape: number[], model: Medformer): string[] {
  const nearest = model.nearestShape(shape);
  return nearest ? [`no training image was ${shape.join(' x ')}: resampled to ${nearest.join(' x ')}`] : [];
}

function missingCode(kind: string, name: string, known: string[]): string[] {
  if (name === '') return [`no ${kind} was named: the shared code was used`];
  if (codeRows(known, [name]).unknown.length === 0) return [];
  return [`${kind} "${name}" has no trained code: the shared code was used`];
}
