import { configDefaults, defineConfig } from 'vitest/config';

/** Without native code, processes or settings of the process: their specs may follow each other in one process. */
const PURE = [
  'augment',
  'data-report',
  'dataset',
  'deidentify',
  'evaluators',
  'imaging',
  'phantom',
  'report',
  'schema',
].map((name) => `libs/${name}/src/**/*.spec.ts`);

const TIMED = ['e2e/src/responsiveness.spec.ts'];

export default defineConfig({
  // Specs are outside the packages' tsconfig, which says so for the rest: Nest's decorators are the older kind.
  oxc: { decorator: { legacy: true } },
  test: {
    // Two cores: more workers than that only make the native kernels fight.
    maxWorkers: 2,
    // Whole trainings run in e2e tests, on machines that do other things too.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    projects: [
      {
        extends: true,
        // Loading the packages anew for each of these files takes as long as testing them.
        test: { name: 'pure', isolate: false, include: PURE },
      },
      {
        extends: true,
        test: {
          name: 'packages',
          include: [
            'libs/*/src/**/*.spec.ts',
            'services/*/src/**/*.spec.ts',
            'cli/src/**/*.spec.ts',
            'tools/**/*.spec.ts',
          ],
          exclude: [...configDefaults.exclude, ...PURE],
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/src/**/*.spec.ts'],
          exclude: [...configDefaults.exclude, ...TIMED],
        },
      },
      // After all others: what it measures is the machine's, too.
      { extends: true, test: { name: 'timed', include: TIMED, sequence: { groupOrder: 1 } } },
    ],
  },
});
