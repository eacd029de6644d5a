import { dirname, join } from 'node:path';
import { Protocol, parseRecord, Slug, sha256 } from '@medformer/schema';
import { z } from 'zod';
import { checkRunSpec } from '../commands/train.js';
import { readSpec, type Spec } from '../spec-file.js';

const Demo = z.object({
  phantom: z.object({
    name: Slug,
    seed: z.number().int(),
    patients: z.number().int().min(1),
    volumePatients: z.number().int().min(0),
  }),
  files: z.object({ name: Slug, path: z.string() }),
  evaluation: z.string(),
  encode: z.object({ file: z.string(), modality: Slug, bodyPart: Slug }),
});

const Evaluation = z.looseObject({
  seeds: z.array(z.number().int()).min(1),
  entries: z
    .array(
      z
        .object({
          label: z.string(),
          protocol: Protocol,
          /** One run for all seeds, or one per seed with `seed` and `method.labelSeed` set to it. */
          run: z.string().optional(),
          runPerSeed: z.string().optional(),
        })
        .refine((entry) => (entry.run === undefined) !== (entry.runPerSeed === undefined), {
          error: 'expected either run or runPerSeed',
        }),
    )
    .min(1),
});

export interface PlannedRun {
  key: string;
  label: string;
  spec: Spec;
  /** Key of the run whose checkpoint this one starts from. */
  initialRun: string | undefined;
}

export interface DemoPlan extends z.infer<typeof Demo> {
  runs: PlannedRun[];
  /** The EvaluationSpec once every run's checkpoint is known by the run's key. */
  evaluationSpec(checkpoints: ReadonlyMap<string, string>): Spec;
}

/** The spec with the checkpoint that it starts from; what else it says of its start stays. */
export function startingFrom(spec: Spec, checkpoint: string): Spec {
  return { ...spec, initial: { ...(spec.initial as Spec | undefined), checkpoint } };
}

/** Reads `demo.yaml`, the evaluation it names and the runs that the evaluation compares. */
export async function readDemoPlan(file: string): Promise<DemoPlan> {
  const folder = dirname(file);
  const demo = parseRecord(Demo, await readSpec(file), file);
  const evaluationFile = join(folder, demo.evaluation);
  const evaluation = parseRecord(Evaluation, await readSpec(evaluationFile), evaluationFile);

  const runs = new Map<string, PlannedRun>();
  /** Plans the run of a file after the run that it starts from. */
  const plan = async (name: string, seed?: number): Promise<string> => {
    const key = seed === undefined ? name : `${name} seed ${seed}`;
    if (runs.has(key)) return key;
    const overrides = seed === undefined ? [] : [`seed=${seed}`, `method.labelSeed=${seed}`];
    const { initialRun, ...spec } = await readSpec(join(folder, name), overrides);
    const initial = typeof initialRun === 'string' ? await plan(initialRun) : undefined;
    checkRunSpec(initial === undefined ? spec : startingFrom(spec, sha256(initial)), join(folder, name));
    runs.set(key, { key, label: key.replace(/\.yaml\b/, ''), spec, initialRun: initial });
    return key;
  };
  const keysOfEntries: string[][] = [];
  for (const { run, runPerSeed } of evaluation.entries) {
    const keys: string[] = [];
    if (run !== undefined) keys.push(await plan(run));
    else for (const seed of evaluation.seeds) keys.push(await plan(runPerSeed!, seed));
    keysOfEntries.push(keys);
  }

  return {
    ...demo,
    files: { ...demo.files, path: join(folder, demo.files.path) },
    encode: { ...demo.encode, file: join(folder, demo.encode.file) },
    runs: [...runs.values()],
    evaluationSpec: (checkpoints) => ({
      ...evaluation,
      entries: evaluation.entries.map(({ label, protocol }, index) => ({
        label,
        protocol,
        checkpoints: keysOfEntries[index]!.map((key) => checkpoints.get(key)!),
      })),
    }),
  };
}
