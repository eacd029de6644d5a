import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Specs are outside the packages' tsconfig, which says so for the rest: Nest's decorators are the older kind.
  oxc: { decorator: { legacy: true } },
  test: {
    include: [
      'libs/*/src/**/*.spec.ts',
      'services/*/src/**/*.spec.ts',
      'cli/src/**/*.spec.ts',
      'tools/**/*.spec.ts',
      'e2e/src/**/*.spec.ts',
    ],
    // Two cores: more workers than that only make the native kernels fight.
    maxWorkers: 2,
    // Whole trainings run in e2e tests, on machines that do other things too.
    testTimeout: 180_000,
    hookTimeout: 240_000,
  },
});
