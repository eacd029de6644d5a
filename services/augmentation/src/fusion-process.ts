import { serveCompute } from '@medformer/compute';
import { tensorMemory } from '@medformer/tensorflow';
import { fuseDataset } from './fuse-dataset.js';
import type { FusionCalls } from './fusion-calls.js';
import { FusionMaker } from './fusion-maker.js';
import { measureFusions } from './measure-fusions.js';

interface Kept {
  key: string;
  maker: Promise<FusionMaker>;
  /** Calls that fuse with it now. */
  users: number;
}

/** The last data set stays in memory: calls that stream fusions come one after the other. */
let kept: Kept | undefined;

serveCompute<FusionCalls>(
  {
    fuse: ({ first, count, imageIds, withSources, ...request }, { signal }) =>
      withMaker(
        JSON.stringify([request.dataset, request.spec]),
        () => FusionMaker.open(request, signal),
        async (maker) => {
          if (imageIds.length > 0) return [maker.fuse(imageIds, first, withSources)];
          return maker.make(first, count, withSources, signal);
        },
      ),
    measureFusions: (input, { signal, progress }) => measureFusions(input, { signal, onProgress: progress }),
    fuseDataset: (input, { signal, progress }) => fuseDataset(input, { signal, onProgress: progress }),
  },
  { tensors: tensorMemory },
);

async function withMaker<Result>(
  key: string,
  open: () => Promise<FusionMaker>,
  use: (maker: FusionMaker) => Promise<Result>,
): Promise<Result> {
  if (kept?.key !== key) {
    const before = kept;
    kept = { key, maker: open(), users: 0 };
    if (before?.users === 0) void disposeOf(before);
  }
  const mine = kept;
  mine.users += 1;
  try {
    return await use(await mine.maker);
  } catch (error) {
    // What failed to open is not kept: the next call tries again.
    const opened = await mine.maker.then(
      () => true,
      () => false,
    );
    if (!opened && kept === mine) kept = undefined;
    throw error;
  } finally {
    mine.users -= 1;
    if (mine.users === 0 && kept !== mine) void disposeOf(mine);
  }
}

async function disposeOf({ maker }: Kept): Promise<void> {
  await maker.then(
    (opened) => opened.dispose(),
    () => undefined,
  );
}
