/** TensorFlow's all-reduce. */
export const ALL_REDUCE = 'CollectiveReduceV2';
