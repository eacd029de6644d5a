import { join } from 'node:path';
import { execa } from 'execa';
import { ROOT } from './services.js';

const BIN = join(ROOT, 'cli/bin/medformer.js');

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** The built command line, as a user runs it. */
export async function medformer(env: Record<string, string>, ...argv: string[]): Promise<Ended> {
  const ended = await execa(process.execPath, [BIN, ...argv], { env, cwd: ROOT, reject: false });
  return { code: ended.exitCode ?? -1, stdout: ended.stdout, stderr: ended.stderr };
}

/** The command's JSON result; a failed command fails the test with its message. */
// biome-ignore lint/suspicious/noExplicitAny: the tests assert the shape themselves
export async function medformerJson(env: Record<string, string>, ...argv: string[]): Promise<any> {
  const { code, stdout, stderr } = await medformer(env, '--json', ...argv);
  if (code !== 0) throw new Error(`medformer ${argv.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

/** The command as a process, for tests that end it themselves. */
export function medformerProcess(env: Record<string, string>, ...argv: string[]) {
  return execa(process.execPath, [BIN, ...argv], { env, cwd: ROOT, reject: false });
}
