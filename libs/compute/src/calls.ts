/**
 * The calls a compute process answers: name → input, output and progress event. Everything must be
 * structured-cloneable; typed arrays and Buffers travel as they are, class instances lose their class.
 *
 * ```ts
 * type TrainingCalls = { train: { input: RunSpec; output: { step: number }; progress: StepReport } };
 * ```
 */
export type ComputeCalls = Record<string, { input: unknown; output: unknown; progress?: unknown }>;

export type ProgressOf<Call> = Call extends { progress: infer Progress } ? Progress : never;
