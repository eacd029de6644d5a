export * from './canonical-json.js';
export * from './errors.js';
export * from './rng.js';
