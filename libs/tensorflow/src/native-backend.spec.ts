import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { useBackend } from './backend.js';
import { nativeBackend } from './native-backend.js';
import { tf } from './tf.js';

const LIBRARY = pathToFileURL(join(import.meta.dirname, '../dist/index.js')).href;

describe('the native backend', () => {
  it('is not to be had before useBackend', async () => {
    expect(() => nativeBackend()).toThrow(/call useBackend\(\) first/);
    await useBackend();
    expect(nativeBackend().binding.TF_Version).toMatch(/^2\./);
  });

  it('runs an op off the JavaScript thread and rejects with TensorFlow’s code and message', async () => {
    await useBackend();
    const { binding, getInputTensorIds } = nativeBackend();
    const [a, b] = [tf.ones([2, 3]), tf.ones([2, 3])];
    const ids = getInputTensorIds.call(nativeBackend(), [a, b]);
    const [sum] = await binding.executeOpAsync('AddV2', [], ids, 1);
    expect([...binding.tensorDataSync(sum!.id)]).toEqual([2, 2, 2, 2, 2, 2]);
    expect(sum!.shape).toEqual([2, 3]);
    await expect(binding.executeOpAsync('MatMul', [], ids, 1)).rejects.toMatchObject({
      code: '3',
      message: expect.stringMatching(/Matrix size-incompatible/),
    });
    expect(() => binding.executeOpAsync('NoSuchOp', [], ids, 1)).toThrow(/NoSuchOp/);
  });

  it('refuses a graph that TensorFlow cannot read', async () => {
    await useBackend();
    const { binding } = nativeBackend();
    expect(() => binding.addGraphFunction('broken', Uint8Array.of(255, 255, 255), [], [])).toThrow(
      /GraphDef/,
    );
    expect(() => binding.addGraphFunction('absent', new Uint8Array(), ['nowhere:0'], [])).toThrow(
      /nowhere:0/,
    );
    expect(() => binding.addGraphFunction('text', 'graph' as never, [], [])).toThrow(/Uint8Array/);
  });

  it('sums a tensor over two processes by TensorFlow’s collectives', async () => {
    const ports = [await freePort(), await freePort()];
    const sums = await Promise.all(ports.map((_, task) => inCluster(ports, task)));
    expect(sums).toEqual(['/job:worker/replica:0/task:0 11,22', '/job:worker/replica:0/task:1 11,22']);
  });
});

const WORKER = `
const { tf, useBackend, nativeBackend } = await import(process.argv[1]);
await useBackend({ threads: 1 });
const { binding } = nativeBackend();
const device = binding.enableCollectives(Buffer.from(process.argv[2], 'base64'));
const task = Number(process.argv[3]);
const int = (value) => tf.scalar(value, 'int32');
const attributes = [
  { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
  { name: 'merge_op', type: binding.TF_ATTR_STRING, value: 'Add' },
  { name: 'final_op', type: binding.TF_ATTR_STRING, value: 'Id' },
  { name: 'timeout_seconds', type: binding.TF_ATTR_FLOAT, value: 30 },
];
const inputs = [tf.tensor1d(task === 0 ? [1, 2] : [10, 20]), int(2), int(1), int(1)];
const sum = nativeBackend().executeSingleOutput('CollectiveReduceV2', attributes, inputs);
console.log(device.replace(/.device.*/, ''), sum.dataSync().join());
setTimeout(() => process.exit(0), 200); // the peer may still be reading
`;

async function inCluster(ports: number[], task: number): Promise<string> {
  const definition = Buffer.from(serverDef(ports, task)).toString('base64');
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', WORKER, LIBRARY, definition, String(task)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return out.trim() || errors;
}

/**
 * tensorflow.ServerDef: cluster 1, job_name 2, task_index 3, default_session_config 4, protocol 5; ClusterDef.job 1;
 * JobDef: name 1, tasks 2 (map); ConfigProto.experimental 16 { collective_group_leader 1 }.
 */
function serverDef(ports: number[], task: number): Uint8Array {
  const writer = new BinaryWriter();
  const message = (field: number, write: () => void) => {
    writer.tag(field, WireType.LengthDelimited).fork();
    write();
    writer.join();
  };
  const string = (field: number, value: string) => writer.tag(field, WireType.LengthDelimited).string(value);
  message(1, () =>
    message(1, () => {
      string(1, 'worker');
      ports.forEach((port, index) => {
        message(2, () => {
          writer.tag(1, WireType.Varint).int32(index);
          string(2, `127.0.0.1:${port}`);
        });
      });
    }),
  );
  string(2, 'worker');
  writer.tag(3, WireType.Varint).int32(task);
  message(4, () => message(16, () => string(1, '/job:worker/replica:0/task:0')));
  string(5, 'grpc');
  return writer.finish();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
