import { isNamed, learningRateAt, optimiserOf, ParameterLayout } from '@medformer/optimisers';
import type { GeneratorSpec, StoredTensor } from '@medformer/schema';
import { type RecordedStep, recordStep, tf } from '@medformer/tensorflow';
import type { GeneratorBatch } from './generator-batch.js';
import { type GeneratorInputs, type GeneratorVectors, generatorStep } from './generator-step.js';
import { newParameters } from './new-parameters.js';

/** Everything that a run's seed and step do not give back. */
export interface StoredGenerator {
  /** What `Generator.of` takes. */
  weights: Map<string, StoredTensor>;
  /** `<slot>/<parameter>`. */
  optimiser: Map<string, StoredTensor>;
}

/** Loss, pixel, gradient, sharpness, seam, gradient norm. */
export type GeneratorResults = [number, number, number, number, number, number];

/** The generator in training: one recorded function per shape of the batch. */
export class GeneratorSession {
  private readonly vectors: GeneratorVectors;
  private readonly recorded = new Map<string, RecordedStep>();

  /** @throws MedformerError DATA_LOSS when what is to be resumed is not of this spec */
  constructor(
    private readonly spec: GeneratorSpec,
    channels: number,
    resume?: StoredGenerator,
  ) {
    this.vectors = newVectors(spec, channels, resume);
  }

  /** Leaves the generator as it was when it rejects. */
  async step(step: number, batch: GeneratorBatch): Promise<GeneratorResults> {
    const { steps, optimiser } = this.spec;
    const schedule = [learningRateAt(step, steps, optimiser), ...optimiserOf(optimiser).scalars(step)];
    const values = [
      tf.tensor1d(schedule, 'float32'),
      ...[batch.input, batch.target, batch.fusions, batch.between, batch.expected].flatMap((part) =>
        part ? [tf.tensor(part.data, part.shape)] : [],
      ),
    ];
    try {
      const [results] = await this.recordedFor(values).run(values);
      const found = [...results!.dataSync()] as GeneratorResults;
      results!.dispose();
      return found;
    } finally {
      tf.dispose(values);
    }
  }

  stored(): StoredGenerator {
    const { layout, parameters, slots } = this.vectors;
    return {
      weights: layout.toStored(parameters),
      optimiser: new Map(
        Object.entries(slots).flatMap(([slot, vector]) => [...layout.toStored(vector, `${slot}/`)]),
      ),
    };
  }

  dispose(): void {
    for (const step of this.recorded.values()) step.dispose();
    const { parameters, decayed, slots } = this.vectors;
    tf.dispose([parameters, decayed, ...Object.values(slots)]);
  }

  private recordedFor(values: tf.Tensor[]): RecordedStep {
    const key = values.map(({ shape }) => shape.join()).join(';');
    const known = this.recorded.get(key);
    if (known) return known;
    const step = recordStep((inputs) => [generatorStep(this.spec, this.vectors, unlisted(inputs))], values, [
      this.vectors.parameters,
      ...Object.values(this.vectors.slots),
    ]);
    this.recorded.set(key, step);
    return step;
  }
}

function unlisted([
  schedule,
  input,
  target,
  fusions,
  between,
  expected,
]: readonly tf.Tensor[]): GeneratorInputs {
  return {
    schedule: schedule!,
    input: input!,
    target: target!,
    ...(fusions && between && expected ? { fusions, between, expected } : {}),
  };
}

function newVectors(
  spec: GeneratorSpec,
  channels: number,
  resume: StoredGenerator | undefined,
): GeneratorVectors {
  const start = newParameters(spec, channels, resume?.weights);
  const layout = new ParameterLayout(start.entries());
  const made: tf.Tensor[] = [];
  const variable = (values: () => tf.Tensor) => {
    const vector = tf.tidy(() => tf.variable(values(), false));
    made.push(vector);
    return vector;
  };
  try {
    const parameters = variable(() => layout.flatten(start.entries().map(([, tensor]) => tensor)));
    const slots = Object.fromEntries(
      optimiserOf(spec.optimiser).slots.map((slot) => [
        slot,
        variable(() => (resume ? layout.fromStored(resume.optimiser, `${slot}/`) : layout.fill(() => 0))),
      ]),
    );
    const decayed = layout.fill((name) => (isNamed(name, spec.optimiser.decayed) ? 1 : 0));
    return { layout, decayed, parameters, slots };
  } catch (error) {
    tf.dispose(made);
    throw error;
  } finally {
    start.dispose();
  }
}
