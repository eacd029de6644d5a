export * from './backend.js';
export * from './bfloat16-support.js';
export { isPeerLost, PeerLostError } from './collectives/peer-lost-error.js';
export { type GroupOptions, joinGroup, type ReplicaGroup } from './collectives/replica-group.js';
export { ALONE, differentiableSum, type Replicas, type SumGradient } from './collectives/replicas.js';
export { PEERS_SILENT } from './collectives/silence-watch.js';
export * from './doctor.js';
export * from './forward-function.js';
export * from './forward-graph.js';
export * from './fused-ops.js';
export {
  type AttrValue,
  DATA_TYPES,
  encodeGraphDef,
  encodeNode,
  type GraphNode,
  type TensorValue,
} from './graph-def.js';
export * from './native-backend.js';
export * from './op-watch.js';
export { halvingConvolution, type Precision, product } from './products.js';
export * from './recorded-step.js';
export * from './saved-model.js';
export * from './symmetric-eigenvalues.js';
export * from './tensor-memory.js';
export * from './tf.js';
