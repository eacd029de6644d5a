#!/usr/bin/env node
/**
 * What sharing a step among GPUs costs, by a model: `node tools/parallel-cost.mjs [--gradient MB] [--flops GFLOP]`. Nothing
 * of it is measured on GPUs; docs/decisions/0011-data-parallel.md has the assumptions.
 */
import { parseArgs } from 'node:util';
import { table } from './bench/print.mjs';

const OPTIONS = {
  /** Parameters, millions; images of a GPU; GFLOP of an image, both views, forward and backward. */
  parameters: '86',
  images: '64',
  gflops: '200',
  /** What a GPU computes at, TFLOP/s; GPUs of a node. */
  rate: '150',
  node: '8',
  /** GB/s in one direction: of a GPU within its node, and of its network adapter between nodes. */
  within: '300',
  between: '40',
  /** Microseconds: to start a collective, and of a hop between nodes. */
  launch: '25',
  hop: '6',
  /** Small collectives of a step, and floats of each image's view that all processes see (SimCLR's projection). */
  small: '5',
  projection: '64',
};
const { values } = parseArgs({
  options: Object.fromEntries(
    Object.entries(OPTIONS).map(([name, value]) => [name, { type: 'string', default: value }]),
  ),
});
const given = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));

/** Seconds of an all-reduce of so many bytes: within nodes, then each GPU its part between nodes, by rings and trees. */
function allReduce(bytes, gpus) {
  const local = Math.min(gpus, given.node);
  const nodes = gpus / local;
  const within = ((2 * (local - 1)) / local) * (bytes / (given.within * 1e9));
  const between = ((2 * (nodes - 1)) / nodes) * (bytes / local / (given.between * 1e9));
  const hops = 2 * Math.ceil(Math.log2(nodes)) * given.hop * 1e-6;
  return within + between + hops + given.launch * 1e-6;
}

const compute = (given.images * given.gflops) / (given.rate * 1e3);
const gradient = given.parameters * 4e6;
const rows = [1, 8, 16, 64, 256, 1024].map((gpus) => {
  if (gpus === 1) return { gpus, gradientMs: 0, othersMs: 0, lossMs: 0 };
  const views = 2 * given.images * gpus;
  // Each row is compared with all, forward and twice backward.
  const lossMs = (6 * 2 * given.images * views * given.projection) / (given.rate * 1e9);
  // The views' projections go to all, and their gradient back.
  const gathered = 2 * allReduce(4 * views * given.projection, gpus);
  const others = gathered + (given.small - 2) * allReduce(4e5, gpus);
  return { gpus, gradientMs: 1e3 * allReduce(gradient, gpus), othersMs: 1e3 * others, lossMs };
});
const computeMs = 1e3 * compute;
const lines = rows.map(({ gpus, gradientMs, othersMs, lossMs }) => {
  const step = computeMs + lossMs + othersMs + gradientMs;
  // Two thirds of a step are its backward pass, beside which all but the last part of the gradient could travel.
  const overlapped =
    computeMs + lossMs + othersMs + Math.max(gradientMs / 8, gradientMs - (2 / 3) * computeMs);
  const share = (ms) => `${((100 * computeMs) / ms).toFixed(1)} %`;
  const images = ((given.images * gpus) / step) * 1e3;
  return [
    String(gpus),
    computeMs.toFixed(1),
    gradientMs.toFixed(2),
    othersMs.toFixed(2),
    lossMs.toFixed(2),
    gpus === 1 ? '' : share(step),
    gpus === 1 ? '' : share(overlapped),
    images.toFixed(0),
  ];
});
console.log(
  `${given.parameters} M parameters (${(gradient / 1e6).toFixed(0)} MB of gradient), ${given.images} images a GPU; milliseconds by the model, not measured`,
);
console.log(
  table([
    ['GPUs', 'compute', 'gradient', 'other collectives', 'loss', 'efficiency', 'if overlapped', 'images/s'],
    ...lines,
  ]),
);
