/** Writes the gradient at `x` into `gradient` and returns the value. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  /** Stop when no gradient component exceeds this. */
  tolerance?: number;
  maxIterations?: number;
  /** Past steps that shape the curvature estimate. */
  memory?: number;
}

/**
 * The minimiser of a smooth convex function by L-BFGS (Nocedal and Wright, Numerical Optimization, algorithms 7.4
 * and 7.5) with a backtracking line search. Deterministic; float64.
 */
export function lbfgs(
  objective: Objective,
  start: Float64Array,
  { tolerance = 1e-6, maxIterations = 500, memory = 10 }: LbfgsOptions = {},
): Float64Array {
  let x = Float64Array.from(start);
  let gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  const steps: { s: Float64Array; y: Float64Array; rho: number }[] = [];

  for (let iteration = 0; iteration < maxIterations && largest(gradient) > tolerance; iteration += 1) {
    let direction = descent(gradient, steps);
    let slope = dot(direction, gradient);
    if (slope >= 0) {
      // Rounding spoiled the curvature estimate: start it afresh.
      steps.length = 0;
      direction = gradient.map((component) => -component);
      slope = -dot(gradient, gradient);
    }
    let step = steps.length === 0 ? Math.min(1, 1 / largest(gradient)) : 1;
    let next = x;
    let nextGradient = gradient;
    let nextValue = value;
    let accepted = false;
    for (let halving = 0; halving < 40 && !accepted; halving += 1) {
      next = x.map((component, at) => component + step * direction[at]!);
      nextGradient = new Float64Array(x.length);
      nextValue = objective(next, nextGradient);
      accepted = nextValue <= value + 1e-4 * step * slope;
      step /= 2;
    }
    if (!accepted) break; // No decrease is left at this precision.

    const s = next.map((component, at) => component - x[at]!);
    const y = nextGradient.map((component, at) => component - gradient[at]!);
    const curvature = dot(s, y);
    if (curvature > 1e-12 * dot(y, y)) {
      steps.push({ s, y, rho: 1 / curvature });
      if (steps.length > memory) steps.shift();
    }
    x = next;
    gradient = nextGradient;
    value = nextValue;
  }
  return x;
}

/** The two-loop recursion: minus the inverse Hessian estimate times the gradient. */
function descent(
  gradient: Float64Array,
  steps: readonly { s: Float64Array; y: Float64Array; rho: number }[],
): Float64Array {
  const direction = gradient.map((component) => -component);
  const alphas: number[] = [];
  for (const { s, y, rho } of steps.toReversed()) {
    const alpha = rho * dot(s, direction);
    alphas.push(alpha);
    addScaled(direction, -alpha, y);
  }
  const last = steps.at(-1);
  if (last) {
    const scale = 1 / (last.rho * dot(last.y, last.y));
    for (let at = 0; at < direction.length; at += 1) direction[at]! *= scale;
  }
  for (const { s, y, rho } of steps) addScaled(direction, alphas.pop()! - rho * dot(y, direction), s);
  return direction;
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < x.length; at += 1) sum += x[at]! * y[at]!;
  return sum;
}

function addScaled(target: Float64Array, scale: number, source: Float64Array): void {
  for (let at = 0; at < target.length; at += 1) target[at]! += scale * source[at]!;
}

function largest(x: Float64Array): number {
  let most = 0;
  for (let at = 0; at < x.length; at += 1) most = Math.max(most, Math.abs(x[at]!));
  return most;
}
