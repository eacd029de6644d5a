import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { accessOf, SCOPES } from './rpc-scopes.js';

const path = createRequire(import.meta.url).resolve('@medformer/gen/descriptor.binpb');
const { file } = fromBinary(FileDescriptorSetSchema, readFileSync(path));
const rpcs = file.flatMap((each) =>
  each.service.flatMap((service) =>
    service.method.map((method) => `/${each.package}.${service.name}/${method.name}`),
  ),
);

describe('the table of scopes', () => {
  it.each(rpcs)('has a row for %s', (rpc) => {
    expect(accessOf(rpc)).toBeDefined();
  });

  it('uses every scope', () => {
    const used = new Set(rpcs.map(accessOf));
    expect(SCOPES.filter((scope) => !used.has(scope))).toEqual([]);
  });

  it.each(['/medformer.encoder.v1.EncoderService/Nothing', '/constructor/toString', '', '/'])(
    'has none for %j',
    (rpc) => {
      expect(accessOf(rpc)).toBeUndefined();
    },
  );
});
