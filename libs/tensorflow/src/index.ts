export * from './backend.js';
export * from './doctor.js';
export * from './forward-graph.js';
export * from './graph-def.js';
export * from './native-backend.js';
export * from './recorded-step.js';
export * from './tf.js';
