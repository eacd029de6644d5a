import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { watchOthers } from './others.mjs';
import { MARK } from './serve.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
export const ROOT = join(HERE, '../..');
export const RESULTS = join(ROOT, '.cache/bench');
const PYTHON = join(ROOT, '.cache/bench-venv/bin/python');

/** This project's side: a program of ours/. */
export const ours = (program, given) => ({
  command: process.execPath,
  arguments: ['--no-warnings', join(HERE, 'ours', program), JSON.stringify(given)],
});

/** A peer's side: a program of peers/ in the bench's own virtual environment. */
export const peer = (program, given) => ({
  command: PYTHON,
  arguments: [join(HERE, 'peers', program), JSON.stringify(given)],
});

/** A program in Go, of a folder of this one; built anew only where its sources changed. */
export function goProgram(folder, given) {
  const command = join(RESULTS, folder);
  execFileSync('go', ['build', '-o', command, '.'], { cwd: join(HERE, folder) });
  return { command, arguments: [JSON.stringify(given)] };
}

/** A warm child process that does a round when told to. */
export class Side {
  #child;
  #answers;
  #chatter = '';
  /** What it said of itself once it was warm. */
  facts;

  /** Starts it and waits until it is warm. */
  static async start(name, { command, arguments: given }) {
    const side = new Side();
    side.name = name;
    side.#child = spawn(command, given, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, TORCHINDUCTOR_CACHE_DIR: join(RESULTS, 'inductor'), PYTHONWARNINGS: 'ignore' },
    });
    side.#child.stdin.on('error', () => {});
    side.#child.stderr.on('data', (chunk) => {
      side.#chatter = (side.#chatter + chunk).slice(-4000);
    });
    side.#answers = createInterface({ input: side.#child.stdout })[Symbol.asyncIterator]();
    side.facts = (await side.#next()).ready;
    return side;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Milliseconds of each call in a round this long. */
  round(seconds) {
    return this.#tell({ round: seconds });
  }

  /** Calls one of the functions that the side offers. */
  ask(name, given = {}) {
    return this.#tell({ ask: name, with: given });
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end();
    const patience = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(patience);
  }

  async #tell(message) {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
    return (await this.#next()).answer;
  }

  async #next() {
    for (;;) {
      const { value: line, done } = await this.#answers.next();
      if (done) throw new Error(`${this.name}: ended\n${this.#chatter.trim()}`);
      if (!line.startsWith(MARK)) continue;
      const message = JSON.parse(line.slice(MARK.length));
      if (message.error !== undefined) throw new Error(`${this.name}: ${message.error}`);
      return message;
    }
  }
}

/**
 * Starts sides one after the other (warming up disturbs nobody), then lets them take turns: A B C, A B C, …
 * An optional side that cannot start is left out and reported.
 * @param {Record<string, {command: string, arguments: string[], optional?: boolean}>} programs
 * @param {{rounds: number, seconds: number}} pace
 * @param {(text: string) => void} say
 */
export async function race(programs, { rounds, seconds }, say) {
  const sides = [];
  /** @type {Record<string, string>} */
  const failed = {};
  try {
    for (const [name, program] of Object.entries(programs)) {
      say(`${name}: warming up`);
      try {
        sides.push(await Side.start(name, program));
      } catch (error) {
        if (!program.optional) throw error;
        failed[name] = error.message;
        say(`${name}: left out: ${error.message}`);
      }
    }
    const times = Object.fromEntries(sides.map(({ name }) => [name, []]));
    const others = watchOthers([process.pid, ...sides.map(({ pid }) => pid)]);
    for (let round = 0; round < rounds; round += 1) {
      say(`round ${round + 1}/${rounds}`);
      for (const side of sides) times[side.name].push(await side.round(seconds));
    }
    const facts = Object.fromEntries(sides.map((side) => [side.name, side.facts]));
    return { times, facts, failed, others: others() };
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}
