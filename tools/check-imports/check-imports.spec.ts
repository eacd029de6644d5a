import { describe, expect, it } from 'vitest';
import { findViolations } from './violations.mjs';
import { importsOf } from './workspace.mjs';

function packageOf(folder: string, module: string, file = 'a.ts') {
  return {
    name: folder.split('/').at(-1)!,
    folder,
    dependencies: [module.split('/').slice(0, 2).join('/')],
    references: [module.split('/')[1] ?? ''],
    imports: [{ file: `${folder}/src/${file}`, module }],
  };
}

describe('findViolations', () => {
  it('names file and module when a pure stage imports gRPC, NestJS or the file system', () => {
    for (const module of ['@grpc/grpc-js', '@nestjs/common', 'node:fs/promises']) {
      expect(findViolations([packageOf('libs/ssl', module)])).toEqual([
        expect.stringContaining(`libs/ssl/src/a.ts: imports ${module}`),
      ]);
    }
  });

  it('lets a spec of a pure stage read its golden file', () => {
    expect(findViolations([packageOf('libs/ssl', 'node:fs', 'a.spec.ts')])).toEqual([]);
  });

  it('refuses a service inside another service, but not inside the composition', () => {
    expect(findViolations([packageOf('services/trainer', '@medformer/encoder')])).toEqual([
      expect.stringContaining('service "trainer" may not import service "encoder"'),
    ]);
    expect(findViolations([packageOf('services/standalone', '@medformer/encoder')])).toEqual([]);
  });

  it('refuses an import that package.json or tsconfig.json does not declare', () => {
    const undeclared = { ...packageOf('libs/ssl', '@medformer/schema'), dependencies: [], references: [] };
    expect(findViolations([undeclared])).toEqual([
      expect.stringContaining('not in libs/ssl/package.json'),
      expect.stringContaining('no reference of libs/ssl/tsconfig.json'),
    ]);
  });

  it('refuses a relative path into another package', () => {
    expect(findViolations([packageOf('libs/ssl', '../../schema/src/rng.js')])).toEqual([
      expect.stringContaining('leaves its package'),
    ]);
  });

  it('shows the way round a cycle of packages', () => {
    const cycle = [packageOf('libs/ssl', '@medformer/augment'), packageOf('libs/augment', '@medformer/ssl')];
    expect(findViolations(cycle)).toEqual(['cycle: ssl -> augment -> ssl']);
  });

  it('refuses a package without a layer', () => {
    expect(findViolations([{ ...packageOf('libs/new', 'zod'), imports: [] }])).toEqual([
      expect.stringContaining('libs/new: has no layer'),
    ]);
  });
});

describe('importsOf', () => {
  it('finds imports, type imports, re-exports and literal dynamic imports, and nothing in comments', () => {
    const source = `
      import { a } from 'a';
      import type { B } from 'b';
      export * from 'c';
      export { d } from 'd';
      const e = await import('e');
      // import 'f'
    `;
    expect(importsOf('x.ts', source).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});
