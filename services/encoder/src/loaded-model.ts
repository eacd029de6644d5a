import { loadCheckpoint } from '@medformer/checkpoint';
import {
  attend,
  attentionRollout,
  codeRows,
  Medformer,
  RecordedForward,
  resampled,
} from '@medformer/medformer';
import { openObjectStore } from '@medformer/object-store';
import { badInput, MedformerError, toMedformerError } from '@medformer/schema';
import { tf, useBackend } from '@medformer/tensorflow';
import type {
  Attention,
  AttentionMap,
  CodedImage,
  EncodedBatch,
  Encoding,
  EncodingBatch,
  ModelDescription,
  ModelSource,
} from './encoding-calls.js';
import { writePixels } from './pixels.js';

/** Shapes of image, beside those warmed up, whose recordings stay at every size of batch. */
const OTHER_SHAPES = 6;

/** A checkpoint in memory, ready to encode. */
export class LoadedModel {
  /** Batches are computed one after the other: each has all threads, and the next is converted meanwhile. */
  private computing: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly model: Medformer,
    private readonly embed: RecordedForward,
    readonly description: ModelDescription,
  ) {}

  static async load({ store: storeConfig, checkpoint, threads, warmUp }: ModelSource): Promise<LoadedModel> {
    const store = await openObjectStore(storeConfig);
    const { record, weights } = await loadCheckpoint(store, checkpoint);
    await useBackend(threads ? { threads } : {});
    const model = Medformer.fromCheckpoint(record, weights);
    const kept = warmUp.sizes.length * (warmUp.shapes.length + OTHER_SHAPES);
    const embed = new RecordedForward(model.codes, (pixels, rows) => model.embed(pixels, rows), kept);
    for (const shape of warmUp.shapes) {
      for (const size of warmUp.sizes) await embed.warmUp([size, ...shape]);
    }
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
      shapes: record.input.shapes ?? [],
    });
  }

  /** Images that are refused leave their place of the batch empty: the others' answers do not depend on them. */
  async encode({ images, shape, size }: EncodingBatch): Promise<EncodedBatch> {
    const began = performance.now();
    const length = shape.reduce((product, edge) => product * edge, 1);
    const pixels = new Float32Array(size * length);
    const failures = images.map((image, at) =>
      this.place(image, shape, pixels.subarray(at * length, (at + 1) * length)),
    );
    const names = (of: 'modality' | 'bodyPart') =>
      Array.from({ length: size }, (_, at) => (failures[at] ? '' : (images[at]?.[of] ?? '')));
    const input = tf.tensor(pixels, [size, ...shape]);
    const codes = { modality: names('modality'), bodyPart: names('bodyPart') };
    const inputMs = performance.now() - began;
    const { embeddings, inferMs } = await this.infer(input, codes);
    const computed = performance.now();
    const { width } = this.description;
    const encodings = images.map(({ shape: own, modality, bodyPart }, at): Encoding => {
      const failure = failures[at];
      if (failure) return { failure, notes: [] };
      const notes = this.notesOn(own, modality, bodyPart);
      return { embedding: embeddings.slice(at * width, (at + 1) * width), notes };
    });
    return { encodings, inputMs, inferMs, outputMs: performance.now() - computed };
  }

  /** An embedding's attention: op by op, beside what serves. */
  async attend(image: CodedImage, layers: string[]): Promise<Attention> {
    const { shape, modality, bodyPart } = image;
    const pixels = new Float32Array(image.pixels.length);
    writePixels(image.pixels, pixels);
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

  private infer(input: tf.Tensor, codes: { modality: string[]; bodyPart: string[] }) {
    const done = this.computing.then(async () => {
      const began = performance.now();
      const output = await this.embed.run(input, codes);
      const embeddings = output.dataSync();
      output.dispose();
      return { embeddings: embeddings as Float32Array, inferMs: performance.now() - began };
    });
    this.computing = done.catch(() => undefined).then(() => input.dispose());
    return done;
  }

  /** Writes one image into the batch; what is wrong with it, if anything, and then zeros. */
  private place(
    image: CodedImage,
    shape: number[],
    place: Float32Array,
  ): { code: MedformerError['code']; message: string } | undefined {
    try {
      if (image.shape.join() === shape.join()) writePixels(image.pixels, place);
      else place.set(resampledPixels(image, shape));
      return undefined;
    } catch (thrown) {
      place.fill(0);
      const { code, message } = toMedformerError(thrown);
      return { code, message };
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

function resampledPixels({ pixels, shape: own }: CodedImage, shape: number[]): Float32Array {
  const values = new Float32Array(pixels.length);
  writePixels(pixels, values);
  const fitting = tf.tidy(() => resampled(tf.tensor(values, [1, ...own]), shape.slice(0, -1)));
  try {
    return fitting.dataSync() as Float32Array;
  } finally {
    fitting.dispose();
  }
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
