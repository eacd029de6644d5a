import { z } from 'zod';

/** Settings of this service beside those that every service has. */
export const evaluationConfig = {
  evaluationThreads: z
    .int()
    .min(1)
    .optional()
    .describe('threads of the evaluation process; default: the cores of the machine'),
};
