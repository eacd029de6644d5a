import type { MaskSpec, Rng } from '@medformer/schema';
import { rampWeights, type SpanVisitor } from './spans.js';

/** Voxels that are weighed together where no source leads. */
const SHORT = 8;

type SmoothFieldsSpec = Extract<MaskSpec, { strategy: 'smooth-fields' }>;

export interface SmoothFieldsDraw {
  strategy: 'smooth-fields';
  /** Nodes of the lattice per spatial axis. */
  nodes: number[];
  /** [sources, ...nodes], standard normal. */
  fields: Float32Array;
  /** Difference of two fields over which one source gives way to the other. */
  width: number;
}

/** One low-frequency random field per source, for an image of these spatial edges. */
export function drawSmoothFields(
  { cells, sharpness }: SmoothFieldsSpec,
  sources: number,
  spatial: readonly number[],
  rng: Rng,
): SmoothFieldsDraw {
  const longest = Math.max(...spatial);
  const nodes = spatial.map((edge) => Math.max(1, Math.round((cells * edge) / longest)) + 1);
  const length = nodes.reduce((product, count) => product * count, sources);
  return {
    strategy: 'smooth-fields',
    nodes,
    fields: Float32Array.from({ length }, () => rng.normal()),
    width: 2 / sharpness,
  };
}

/**
 * The highest of the fields, interpolated linearly between nodes, has the voxel. Between two nodes of a row fields are
 * straight lines: a source that leads, or lags, by the width at both ends does so in between, so that most cells take one
 * comparison and no weights.
 */
export function visitSmoothFields(
  { nodes, fields, width: ramp }: SmoothFieldsDraw,
  sources: number,
  spatial: readonly number[],
  visitor: SpanVisitor,
): void {
  const [depth, height, width] = [spatial.length === 3 ? spatial[0]! : 1, ...spatial.slice(-2)] as [
    number,
    number,
    number,
  ];
  const [planes, rows, columns] = [nodes.length === 3 ? nodes[0]! : 1, ...nodes.slice(-2)] as [
    number,
    number,
    number,
  ];
  const lattice = sourcesLast(fields, sources);
  /** [rows, columns, sources]: the fields at the nodes of one plane of the image. */
  const plane = new Float64Array(rows * columns * sources);
  const across = Array.from({ length: width }, (_, x) => placeOf(x, width, columns));
  const cells = cellsOf(across.map(({ node }) => node));
  const shares = Float64Array.from(across, ({ share }) => share);
  /** [columns, sources]: the fields at the nodes of one row of the image. */
  const line = new Float64Array(columns * sources);
  const scores = new Float64Array(width * sources);
  const all = Array.from({ length: sources }, (_, source) => source);
  /** Voxels between two nodes of which two sources have a part: what each has alone at either end, and what they share. */
  const visitPair = (
    row: number,
    node: number,
    begin: number,
    end: number,
    pair: readonly number[],
  ): void => {
    const [a, b] = [node * sources + pair[0]!, node * sources + pair[1]!];
    const ahead = line[a]! - line[b]!;
    const slope = line[a + sources]! - line[b + sources]! - ahead;
    const owner = (x: number) => {
      const lead = ahead + shares[x]! * slope;
      return lead >= ramp ? 0 : lead <= -ramp ? 1 : -1;
    };
    let left = begin;
    const first = owner(begin);
    if (first >= 0 && owner(end - 1) === first) {
      visitor.whole(row + begin, row + end, pair[first]!);
      return;
    }
    if (first >= 0) {
      while (left < end && owner(left) === first) left += 1;
      visitor.whole(row + begin, row + left, pair[first]!);
    }
    let right = end;
    const last = left < end ? owner(end - 1) : -1;
    if (last >= 0) while (owner(right - 1) === last) right -= 1;
    if (left < right) {
      for (let x = left; x < right; x += 1) {
        scores[2 * (x - left)] = ahead + shares[x]! * slope;
        scores[2 * (x - left) + 1] = 0;
      }
      rampWeights(scores, 2, right - left, ramp);
      visitor.mixed(row + left, row + right, pair, scores);
    }
    if (right < end) visitor.whole(row + right, row + end, pair[last]!);
  };
  /** Voxels between two nodes, of no other sources than `among`: of one, or halved until what is mixed is short. */
  const visitCell = (
    row: number,
    node: number,
    begin: number,
    end: number,
    among: readonly number[],
  ): void => {
    if (among.length === 2) {
      visitPair(row, node, begin, end, among);
      return;
    }
    const active = contenders(line, sources, node, shares[begin]!, shares[end - 1]!, ramp, among);
    const count = active.length;
    if (count === 1) {
      visitor.whole(row + begin, row + end, active[0]!);
      return;
    }
    if (count === 2) {
      visitPair(row, node, begin, end, active);
      return;
    }
    if (end - begin > SHORT) {
      const middle = (begin + end) >> 1;
      visitCell(row, node, begin, middle, active);
      visitCell(row, node, middle, end, active);
      return;
    }
    for (let k = 0; k < count; k += 1) {
      const at = node * sources + active[k]!;
      const [value, slope] = [line[at]!, line[at + sources]! - line[at]!];
      for (let x = begin; x < end; x += 1) scores[(x - begin) * count + k] = value + shares[x]! * slope;
    }
    rampWeights(scores, count, end - begin, ramp);
    visitor.mixed(row + begin, row + end, active, scores);
  };
  for (let z = 0; z < depth; z += 1) {
    const front = placeOf(z, depth, planes);
    mix(
      lattice,
      front.node * plane.length,
      Math.min(front.node + 1, planes - 1) * plane.length,
      front.share,
      plane,
    );
    for (let y = 0; y < height; y += 1) {
      const top = placeOf(y, height, rows);
      mix(plane, top.node * line.length, Math.min(top.node + 1, rows - 1) * line.length, top.share, line);
      for (const { node, begin, end } of cells) visitCell((z * height + y) * width, node, begin, end, all);
    }
  }
}

interface Place {
  node: number;
  share: number;
}

/** Where the centre of pixel `at` of `edge` lies between the first and the last of `nodes`, of which there are two at least. */
function placeOf(at: number, edge: number, nodes: number): Place {
  if (nodes === 1) return { node: 0, share: 0 };
  const place = ((at + 0.5) / edge) * (nodes - 1);
  const node = Math.min(nodes - 2, Math.floor(place));
  return { node, share: place - node };
}

/** Runs of pixels between the same two nodes. */
function cellsOf(nodes: readonly number[]): { node: number; begin: number; end: number }[] {
  const cells: { node: number; begin: number; end: number }[] = [];
  nodes.forEach((node, x) => {
    const last = cells.at(-1);
    if (last?.node === node) last.end = x + 1;
    else cells.push({ node, begin: x, end: x + 1 });
  });
  return cells;
}

/** The sources of `among` that weigh anything somewhere between two places of a cell; one when it leads throughout. */
function contenders(
  line: Float64Array,
  sources: number,
  node: number,
  left: number,
  right: number,
  ramp: number,
  among: readonly number[],
): number[] {
  let leader = 0;
  let follower = 0;
  let [leaderLeft, leaderRight] = [Number.NEGATIVE_INFINITY, 0];
  let [followerLeft, followerRight] = [0, Number.NEGATIVE_INFINITY];
  for (let k = 0; k < among.length; k += 1) {
    const at = node * sources + among[k]!;
    const value = line[at]!;
    const slope = line[at + sources]! - value;
    const [here, there] = [value + left * slope, value + right * slope];
    if (here > leaderLeft) {
      leader = among[k]!;
      leaderLeft = here;
      leaderRight = there;
    }
    if (there > followerRight) {
      follower = among[k]!;
      followerLeft = here;
      followerRight = there;
    }
  }
  const active: number[] = [];
  for (let k = 0; k < among.length; k += 1) {
    const source = among[k]!;
    const at = node * sources + source;
    const value = line[at]!;
    const slope = line[at + sources]! - value;
    const [here, there] = [value + left * slope, value + right * slope];
    const behind =
      (leaderLeft - here >= ramp && leaderRight - there >= ramp) ||
      (followerLeft - here >= ramp && followerRight - there >= ramp);
    if (!behind || source === leader || source === follower) active.push(source);
  }
  return active;
}

/** [sources, ...nodes] as [...nodes, sources]. */
function sourcesLast(fields: Float32Array, sources: number): Float64Array {
  const nodes = fields.length / sources;
  return Float64Array.from(fields, (_, at) => fields[(at % sources) * nodes + Math.floor(at / sources)]!);
}

/** out = (1 - share) values from `low` on + share values from `high` on. */
function mix(values: Float64Array, low: number, high: number, share: number, out: Float64Array): void {
  for (let at = 0; at < out.length; at += 1) {
    const value = values[low + at]!;
    out[at] = value + share * (values[high + at]! - value);
  }
}
