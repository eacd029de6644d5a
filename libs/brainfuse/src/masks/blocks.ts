import type { MaskSpec, Rng } from '@medformer/schema';
import { dealt } from './dealt.js';
import type { SpanVisitor } from './spans.js';

export interface BlocksDraw {
  strategy: 'blocks';
  /** Blocks per spatial axis. */
  cells: number[];
  /** [...cells]: whose each block is. */
  owner: Int32Array;
}

/** Equal blocks dealt out evenly. */
export function drawBlocks(
  { cells }: Extract<MaskSpec, { strategy: 'blocks' }>,
  sources: number,
  spatial: readonly number[],
  rng: Rng,
): BlocksDraw {
  const perAxis = spatial.map((edge) => Math.min(cells, edge));
  const blocks = perAxis.reduce((product, count) => product * count, 1);
  return { strategy: 'blocks', cells: perAxis, owner: dealt(blocks, sources, rng) };
}

export function visitBlocks(
  { cells, owner }: BlocksDraw,
  spatial: readonly number[],
  visitor: SpanVisitor,
): void {
  const width = spatial.at(-1)!;
  const across = cells.at(-1)!;
  const rows = spatial.slice(0, -1).reduce((product, edge) => product * edge, 1);
  for (let row = 0; row < rows; row += 1) {
    const first = blockRow(cells, spatial, row) * across;
    for (let block = 0; block < across; block += 1) {
      const [begin, end] = [Math.ceil((block * width) / across), Math.ceil(((block + 1) * width) / across)];
      visitor.whole(row * width + begin, row * width + end, owner[first + block]!);
    }
  }
}

/** Number of the row of blocks that a row of voxels is in. */
function blockRow(cells: readonly number[], spatial: readonly number[], row: number): number {
  let rest = row;
  let block = 0;
  let stride = 1;
  for (let axis = spatial.length - 2; axis >= 0; axis -= 1) {
    const edge = spatial[axis]!;
    block += Math.floor(((rest % edge) * cells[axis]!) / edge) * stride;
    stride *= cells[axis]!;
    rest = Math.floor(rest / edge);
  }
  return block;
}
