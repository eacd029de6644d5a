/** A matrix product in TensorFlow, through the binding so that bfloat16, which tfjs has no name for, is there too. */
import { nativeBackend, tf, useBackend } from '../../../libs/tensorflow/dist/index.js';
import { givenCase, resident, samples, serve } from '../serve.mjs';

/** DataType of TensorFlow's types.proto. */
const TYPES = { float32: 1, bfloat16: 14 };

const { size, threads, type } = givenCase();
await useBackend({ threads });
const backend = nativeBackend();
const { binding } = backend;
const typeAttribute = (name, value) => ({ name, type: binding.TF_ATTR_TYPE, value });
const T = TYPES[type];

const x = tf.randomUniform([size, size], -1, 1);
const [id] = backend.getInputTensorIds([x]);
const [operand] = binding.executeOp(
  'Cast',
  [
    typeAttribute('SrcT', TYPES.float32),
    typeAttribute('DstT', T),
    { name: 'Truncate', type: binding.TF_ATTR_BOOL, value: false },
  ],
  [id],
  1,
);
const multiply = () => {
  const [product] = binding.executeOp(
    'MatMul',
    [
      { name: 'transpose_a', type: binding.TF_ATTR_BOOL, value: false },
      { name: 'transpose_b', type: binding.TF_ATTR_BOOL, value: false },
      typeAttribute('T', T),
    ],
    [operand.id, operand.id],
    1,
  );
  binding.deleteTensor(product.id);
};
await samples(multiply, 0);
await serve(multiply, { type }, { memory: resident });
