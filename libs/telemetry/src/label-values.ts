const METHODS = 'a self-supervised or supervised method of `docs/methods.md`';

/** The closed set that a label's value is from, or what it is where the set is not ours. */
const LABELS: Readonly<Record<string, readonly string[] | string>> = {
  'grpc_server_started_total.grpc_type': ['unary', 'client_stream', 'server_stream', 'bidi_stream'],
  'grpc_server_handled_total.grpc_type': ['unary', 'client_stream', 'server_stream', 'bidi_stream'],
  'grpc_server_handling_seconds.grpc_type': ['unary', 'client_stream', 'server_stream', 'bidi_stream'],
  'medformer_augmentation_fuse_calls_total.outcome': ['ok', 'refused', 'cancelled', 'failed'],
  'medformer_compute_losses_total.cause': ['crashed', 'cancelled', 'not-ready'],
  'medformer_encoder_embedding_drift.against': ['training'],
  'medformer_encoder_requests_total.outcome': ['ok', 'refused', 'shed', 'failed'],
  'medformer_encoder_stage_seconds.stage': ['queue', 'input', 'infer', 'output'],
  'medformer_evaluation_evaluations_total.outcome': ['computed', 'found', 'refused', 'cancelled', 'failed'],
  'medformer_evaluation_jobs.state': ['queued', 'running'],
  'medformer_evaluation_promotions_total.outcome': ['promoted', 'refused'],
  'medformer_evaluation_score.metric': ['auc', 'accuracy', 'balancedAccuracy', 'f1'],
  'medformer_ingestion_ingests_total.outcome': ['created', 'present', 'refused', 'cancelled', 'failed'],
  'medformer_ingestion_refusals_total.reason': ['bad-file', 'bad-input', 'corrupt', 'unsupported', 'busy'],
  'medformer_store_operation_seconds.operation': ['put', 'get', 'head', 'list', 'delete', 'ping'],
  'medformer_store_operation_seconds.outcome': ['ok', 'not-found', 'cancelled', 'failed'],
  'medformer_trainer_expected_loss.bound': ['start', 'floor', 'collapsed'],
  'medformer_trainer_runs.state': ['queued', 'running'],
  'medformer_compute_losses_total.process': [
    'ingestion',
    'fusion',
    'generator',
    'training',
    'export',
    'replay',
    'evaluation',
    'encoding',
    'decoding',
  ],
  'medformer_calls_refused_total.reason': [
    'missing_credentials',
    'invalid_credentials',
    'keys_unavailable',
    'missing_scope',
    'rate',
    'concurrency',
  ],
  method: METHODS,
  process: 'what a compute process does, as in `medformer_compute_losses_total`',
  grpc_service: 'a service of `proto/`, of health or of reflection',
  grpc_method: 'an rpc of that service',
  grpc_code: 'a gRPC status code, by name',
  protocol: ['linear-probe', 'knn', 'head'],
  reason: 'why, a word of the code that counts it',
  modality: "a data set's modalities, 20 at most, then `other`",
  dataset: "a data set's name, the 50 scored last",
  code_version: 'what runs, one at a time',
  node_version: 'what runs, one at a time',
  listener: 'a port that shows a certificate',
  space: 'of V8',
  kind: 'of V8',
  type: 'of libuv',
  version: 'of Node',
  major: 'of Node',
  minor: 'of Node',
  patch: 'of Node',
};

/**
 * The values that a label can have: a list where the set is closed by the code, else a sentence that says what bounds
 * it; undefined for a label that nobody has thought about, which the tests refuse.
 */
export function labelValues(metric: string, label: string): readonly string[] | string | undefined {
  return LABELS[`${metric}.${label}`] ?? LABELS[label];
}
