import { z } from 'zod';
import { ContentHash } from './primitives.js';

const Shape = z.array(z.number().int().min(0));
const Tensors = z.array(z.object({ name: z.string(), shape: Shape }));
const Changed = z.array(z.object({ name: z.string(), from: Shape, to: Shape }));

/** What a run took over from the checkpoint it starts from, tensor by tensor. */
export const LoadReport = z.object({
  checkpoint: ContentHash,
  /** Taken over as they were. */
  matched: Tensors,
  /** Taken over by a rule into another table: the codes of modalities and body parts go by key. */
  reshaped: Changed,
  /** The model's, not in the checkpoint. */
  missing: Tensors,
  /** The checkpoint's, without a place in the model. */
  unexpected: Tensors,
  /** In both, in shapes that no rule turns into each other: `from` the checkpoint's, `to` the model's. */
  misshapen: Changed,
  /** Of the run's own method and task heads: these start from the seed, unless the run extends the checkpoint. */
  fresh: Tensors,
  /** Of the checkpoint's method and task heads: only its heads come along, where the run extends it. */
  leftBehind: Tensors,
  /** Numbers that the run trains, and that it leaves as they are; absent where it trains all. */
  parameters: z.object({ trained: z.number().int(), frozen: z.number().int() }).optional(),
});
export type LoadReport = z.infer<typeof LoadReport>;

/** Names of `missing`, `unexpected` and `misshapen` tensors that no pattern allows; `*` stands for any characters. */
export function surprisesOf(report: LoadReport, allow: readonly string[]): string[] {
  const allowed = allow.map((pattern) => new RegExp(`^${pattern.split('*').map(escaped).join('.*')}$`));
  return [
    ...report.missing.map(({ name, shape }) => [name, `missing [${shape}]`] as const),
    ...report.unexpected.map(({ name, shape }) => [name, `unexpected [${shape}]`] as const),
    ...report.misshapen.map(({ name, from, to }) => [name, `[${from}] where [${to}] is needed`] as const),
  ].flatMap(([name, what]) => (allowed.some((pattern) => pattern.test(name)) ? [] : [`${name}: ${what}`]));
}

const escaped = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
