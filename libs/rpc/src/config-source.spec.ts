import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeConfig, loadConfig, printConfig, secret } from './config-source.js';

const schema = z.object({
  port: z.int().min(0).max(65_535).default(50_050).describe('port to listen on'),
  drainTimeoutMs: z.int().default(20_000),
  warm: z.boolean().default(false),
  name: z.string().optional(),
  storeSecretKey: secret(z.string().optional().describe('secret key')),
});

const folder = mkdtempSync(join(tmpdir(), 'medformer-config-'));
const fileWith = (text: string) => {
  const path = join(folder, 'config.yaml');
  writeFileSync(path, text);
  return path;
};
afterAll(() => rmSync(folder, { recursive: true }));

const load = (argv: string[], env: Record<string, string> = {}) => loadConfig(schema, { argv, env });

describe('settings', () => {
  it('come from defaults, then the file, then the environment, then flags', () => {
    const path = fileWith('port: 1\ndrainTimeoutMs: 2\nname: file\n');
    const { config, sources } = load(['--config', path, '--name', 'flag'], {
      MEDFORMER_DRAIN_TIMEOUT_MS: '3',
      MEDFORMER_NAME: 'env',
    });
    expect(config).toEqual({ port: 1, drainTimeoutMs: 3, warm: false, name: 'flag' });
    expect(sources).toMatchObject({
      port: `${path}: port`,
      drainTimeoutMs: 'MEDFORMER_DRAIN_TIMEOUT_MS',
      warm: 'default',
      name: '--name',
    });
  });

  it('find the file by MEDFORMER_CONFIG', () => {
    expect(load([], { MEDFORMER_CONFIG: fileWith('port: 7') }).config.port).toBe(7);
  });

  it('read numbers and truth values from text, but leave text that looks like one', () => {
    const { config } = load(['--name', '007'], { MEDFORMER_WARM: 'true', MEDFORMER_PORT: '8080' });
    expect(config).toMatchObject({ name: '007', warm: true, port: 8080 });
  });

  it('take an empty variable for an unset one', () => {
    expect(load([], { MEDFORMER_PORT: '' }).config.port).toBe(50_050);
  });

  it.each([
    ['a variable', [], { MEDFORMER_PORT: 'tcp://10.0.0.1:80' }, 'MEDFORMER_PORT: '],
    ['a flag', ['--port', '99999'], {}, '--port: '],
    ['an unknown flag', ['--prot', '1'], {}, '--prot'],
    ['a missing file', ['--config', '/no/such.yaml'], {}, '/no/such.yaml: '],
  ])('that are wrong are refused by the name of %s', (_what, argv, env, named) => {
    expect(() => load(argv, env as Record<string, string>)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(named) }),
    );
  });

  it('that are wrong in a file are refused by file and key, unknown keys too', () => {
    const wrong = fileWith('port: many\n');
    expect(() => load(['--config', wrong])).toThrow(`${wrong}: port: `);
    const unknown = fileWith('prot: 1\n');
    expect(() => load(['--config', unknown])).toThrow(`${unknown}: unknown key prot`);
    const list = fileWith('- 1\n');
    expect(() => load(['--config', list])).toThrow('expected keys with values');
  });

  it('are all named when several are wrong', () => {
    expect(() => load(['--port', 'x'], { MEDFORMER_WARM: 'perhaps' })).toThrow(/--port: .*MEDFORMER_WARM: /);
  });
});

describe('printing the effective settings', () => {
  it('masks secrets, names sources, and gives a file that reads back', () => {
    const loaded = load(['--port', '1'], { MEDFORMER_STORE_SECRET_KEY: 'hunter2' });
    const printed = printConfig(schema, loaded);
    expect(printed).not.toContain('hunter2');
    expect(printed).toContain('port: 1 # --port');
    expect(printed).toMatch(/storeSecretKey: "?\*{6}"? # MEDFORMER_STORE_SECRET_KEY/);
    expect(load(['--config', fileWith(printed)]).config).toMatchObject({ port: 1, drainTimeoutMs: 20_000 });
  });

  it('describes every setting with flag, variable and default', () => {
    expect(describeConfig(schema)).toMatch(/--port +MEDFORMER_PORT +port to listen on \(default 50050\)/);
    expect(describeConfig(schema)).toContain('--store-secret-key');
  });
});
