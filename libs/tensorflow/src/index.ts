export * from './backend.js';
export * from './native-backend.js';
export * from './tf.js';
