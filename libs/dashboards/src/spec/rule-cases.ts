/** What an alert sees, by series in promtool's notation, one value a minute. */
export interface RuleCase {
  alert: string;
  firing: Record<string, string>;
  /** When it fires; a case is silent for as long. */
  at: string;
  labels: Record<string, string>;
  summary: string;
  /** Near to firing, and not: each is a case of its own. */
  silent: Record<string, string>[];
}

const J = 'namespace="m",job';

/** Steady counters: `rate(10)` gains ten a minute. */
const gains = (perMinute: number) => `0+${perMinute}x120`;
const stays = (value: number) => `${value}+0x120`;

const handled = (service: string, code: string) =>
  `grpc_server_handled_total{${J}="encoder",grpc_service="medformer.${service}",grpc_code="${code}"}`;
const operation = (outcome: string) =>
  `medformer_store_operation_seconds_count{${J}="trainer",operation="get",outcome="${outcome}"}`;
const storeBucket = (le: string) =>
  `medformer_store_operation_seconds_bucket{${J}="trainer",operation="get",outcome="ok",le="${le}"}`;
const encoded = (outcome: string, reason: string) =>
  `medformer_encoder_requests_total{${J}="encoder",outcome="${outcome}",reason="${reason}"}`;
const callBucket = (method: string, le: string) =>
  `grpc_server_handling_seconds_bucket{${J}="encoder",grpc_service="medformer.E",grpc_method="${method}",le="${le}"}`;
const losses = (cause: string) =>
  `medformer_compute_losses_total{${J}="encoder",process="encoding",cause="${cause}"}`;
const runs = (state: string) => `medformer_trainer_runs{${J}="trainer",pod="t-0",state="${state}"}`;
const steps = `medformer_trainer_steps_total{${J}="trainer",method="simclr"}`;
const models = `medformer_encoder_models_loaded{${J}="encoder"}`;
const tensors = (process: string) =>
  `medformer_compute_tensors{${J}="encoder",instance="a",process="${process}"}`;
const ends = (seconds: number) => ({
  [`medformer_tls_certificate_expiry_timestamp_seconds{${J}="encoder",instance="a",listener="grpc"}`]:
    stays(seconds),
});
const ingests = (outcome: string) =>
  `medformer_ingestion_ingests_total{${J}="ingestion",outcome="${outcome}"}`;
const badFiles = `medformer_ingestion_refusals_total{${J}="ingestion",reason="bad-file"}`;
const ingested = `medformer_ingestion_images_total{${J}="ingestion"}`;
const fused = (outcome: string) =>
  `medformer_augmentation_fuse_calls_total{${J}="augmentation",outcome="${outcome}"}`;
const evaluated = (outcome: string) =>
  `medformer_evaluation_evaluations_total{${J}="evaluation",outcome="${outcome}"}`;
const score = (metric: string) =>
  `medformer_evaluation_score{${J}="evaluation",dataset="d",protocol="knn",metric="${metric}"}`;
const build = (job: string, pod: string) =>
  `medformer_build_info{${J}="${job}",pod="${pod}",instance="a",code_version="1"}`;
const up = (job: string) => `up{${J}="${job}",instance="a"}`;

/** As DCGM's exporter labels them, by whether its own labels are honoured. */
const gpu = {
  honoured: 'DCGM_FI_DEV_GPU_UTIL{gpu="0",namespace="m",pod="t-0",job="dcgm"}',
  exported:
    'DCGM_FI_DEV_GPU_UTIL{gpu="0",namespace="gpu-operator",pod="dcgm-x",exported_namespace="m",exported_pod="t-0",job="dcgm"}',
};
const onGpu = (series: string, percent: number, running = 1) => ({
  [series]: stays(percent),
  [build('trainer', 't-0')]: stays(1),
  [runs('running')]: stays(running),
});

export const RULE_CASES: RuleCase[] = [
  {
    alert: 'MedformerServiceDown',
    firing: { [up('encoder')]: '1x5 0x20', [build('encoder', 'e-0')]: '1x5 stale' },
    at: '9m',
    labels: { severity: 'critical', namespace: 'm', job: 'encoder', instance: 'a' },
    summary: 'encoder at a does not answer its scrapes',
    silent: [
      { [up('encoder')]: '1x5 0 1x20', [build('encoder', 'e-0')]: stays(1) },
      { [up('somebody-else')]: stays(0) },
    ],
  },
  {
    alert: 'MedformerCallsFail',
    firing: { [handled('E', 'OK')]: gains(90), [handled('E', 'INTERNAL')]: gains(10) },
    at: '15m',
    labels: { severity: 'critical', namespace: 'm', job: 'encoder', grpc_service: 'medformer.E' },
    summary: '10% of the calls of medformer.E fail for our fault',
    silent: [
      { [handled('E', 'OK')]: gains(97), [handled('E', 'INTERNAL')]: gains(3) },
      { [handled('E', 'OK')]: gains(10), [handled('E', 'INVALID_ARGUMENT')]: gains(90) },
      { [handled('E', 'OK')]: stays(5), [handled('E', 'INTERNAL')]: stays(5) },
    ],
  },
  {
    alert: 'MedformerEventLoopBlocked',
    firing: { [`medformer_nodejs_eventloop_lag_p99_seconds{${J}="encoder",instance="a"}`]: stays(0.8) },
    at: '10m',
    labels: { severity: 'warning', namespace: 'm', job: 'encoder', instance: 'a' },
    summary: 'encoder answers late: its event loop waits 800ms',
    silent: [
      { [`medformer_nodejs_eventloop_lag_p99_seconds{${J}="encoder",instance="a"}`]: '0.1x4 2x3 0.1x60' },
    ],
  },
  {
    alert: 'MedformerComputeProcessLost',
    firing: { [losses('crashed')]: '0x5 1x3 2x3 4x20' },
    at: '16m',
    labels: { severity: 'warning', namespace: 'm', job: 'encoder', process: 'encoding' },
    summary: 'encoding processes of encoder ended unasked again and again',
    silent: [{ [losses('crashed')]: '0x5 1x60' }, { [losses('cancelled')]: gains(2) }],
  },
  {
    alert: 'MedformerTensorLeak',
    firing: { [tensors('encoding')]: '500+30x120' },
    at: '110m',
    labels: { severity: 'warning', namespace: 'm', job: 'encoder', instance: 'a' },
    summary: 'encoder holds 1.8k tensors more than an hour ago',
    silent: [{ [tensors('encoding')]: '500x60 800x60' }, { [tensors('training')]: '500+30x120' }],
  },
  {
    alert: 'MedformerStoreFails',
    firing: { [operation('ok')]: gains(80), [operation('failed')]: gains(20) },
    at: '15m',
    labels: { severity: 'critical', namespace: 'm', job: 'trainer' },
    summary: '20% of the object store operations of trainer fail',
    silent: [{ [operation('ok')]: gains(10), [operation('not-found')]: gains(90) }],
  },
  {
    alert: 'MedformerStoreSlow',
    firing: {
      [storeBucket('2.5')]: gains(0),
      [storeBucket('5')]: gains(10),
      [storeBucket('+Inf')]: gains(10),
    },
    at: '25m',
    labels: { severity: 'warning', namespace: 'm', job: 'trainer', operation: 'get' },
    summary: 'get of the object store takes trainer 4.975s at the 99th percentile',
    silent: [
      { [storeBucket('0.01')]: gains(10), [storeBucket('+Inf')]: gains(10) },
      {
        [storeBucket('5').replace('"get"', '"list"')]: gains(0),
        [storeBucket('10').replace('"get"', '"list"')]: gains(10),
        [storeBucket('+Inf').replace('"get"', '"list"')]: gains(10),
      },
    ],
  },
  {
    alert: 'MedformerCertificateEnds',
    firing: ends(5 * 86_400 + 1800),
    at: '30m',
    labels: { severity: 'warning', namespace: 'm', job: 'encoder', instance: 'a' },
    summary: 'The certificate of encoder ends in 5d 0h 0m 0s',
    silent: [ends(30 * 86_400)],
  },
  {
    alert: 'MedformerEncoderWithoutModel',
    firing: { [models]: stays(0), [encoded('refused', 'no-model')]: gains(5) },
    at: '10m',
    labels: { severity: 'critical', namespace: 'm', job: 'encoder' },
    summary: 'encoder is asked for embeddings and has no model',
    silent: [
      { [models]: stays(0), [encoded('refused', 'no-model')]: stays(0) },
      { [models]: stays(1), [encoded('refused', 'no-model')]: gains(5) },
    ],
  },
  {
    alert: 'MedformerEncoderSheds',
    firing: {
      [encoded('ok', 'none')]: gains(75),
      [encoded('shed', 'full')]: gains(15),
      [encoded('shed', 'late')]: gains(10),
    },
    at: '15m',
    labels: { severity: 'warning', namespace: 'm', job: 'encoder', outcome: 'shed' },
    summary: 'encoder sheds 25% of its images',
    silent: [{ [encoded('ok', 'none')]: gains(98), [encoded('shed', 'full')]: gains(2) }],
  },
  {
    alert: 'MedformerEncoderFails',
    firing: { [encoded('ok', 'none')]: gains(90), [encoded('failed', 'process-lost')]: gains(10) },
    at: '15m',
    labels: { severity: 'critical', namespace: 'm', job: 'encoder', outcome: 'failed' },
    summary: 'encoder fails 10% of its images',
    silent: [{ [encoded('ok', 'none')]: gains(50), [encoded('refused', 'bad-image')]: gains(50) }],
  },
  {
    alert: 'MedformerEncoderSlow',
    firing: {
      [callBucket('Encode', '1')]: gains(0),
      [callBucket('Encode', '2.5')]: gains(10),
      [callBucket('Encode', '+Inf')]: gains(10),
    },
    at: '25m',
    labels: {
      severity: 'warning',
      namespace: 'm',
      job: 'encoder',
      grpc_service: 'medformer.E',
      grpc_method: 'Encode',
    },
    summary: 'Encode takes 2.485s at the 99th percentile',
    silent: [
      { [callBucket('Encode', '0.1')]: gains(10), [callBucket('Encode', '+Inf')]: gains(10) },
      {
        [callBucket('EncodeStream', '1')]: gains(0),
        [callBucket('EncodeStream', '2.5')]: gains(10),
        [callBucket('EncodeStream', '+Inf')]: gains(10),
      },
    ],
  },
  {
    alert: 'MedformerEncoderDrifts',
    firing: { [`medformer_encoder_embedding_drift{${J}="encoder",against="training"}`]: stays(0.75) },
    at: '40m',
    labels: { severity: 'warning', namespace: 'm', job: 'encoder' },
    summary: "encoder gets images unlike those of its model's training: drift 0.75",
    silent: [
      { [`medformer_encoder_embedding_drift{${J}="encoder",against="training"}`]: '0.9x20 0.1x40' },
      { [`medformer_encoder_embedding_drift{${J}="encoder",against="training"}`]: stays(0.3) },
    ],
  },
  {
    alert: 'MedformerTrainingCollapsed',
    firing: { [`medformer_trainer_collapsed{${J}="trainer",method="simclr"}`]: stays(1) },
    at: '15m',
    labels: { severity: 'warning', namespace: 'm', job: 'trainer', method: 'simclr' },
    summary: 'A simclr run gives all images nearly the same embedding',
    silent: [{ [`medformer_trainer_collapsed{${J}="trainer",method="simclr"}`]: '1x5 0x60' }],
  },
  {
    alert: 'MedformerTrainingStepsFail',
    firing: { [`medformer_trainer_failed_steps_total{${J}="trainer",method="mae"}`]: '0x5 1x20' },
    at: '10m',
    labels: { severity: 'warning', namespace: 'm', job: 'trainer', method: 'mae' },
    summary: 'Steps of a mae run have no finite loss or gradient',
    silent: [{ [`medformer_trainer_failed_steps_total{${J}="trainer",method="mae"}`]: stays(3) }],
  },
  {
    alert: 'MedformerTrainingStalled',
    firing: { [runs('running')]: stays(1), [steps]: '0+10x20 200x100' },
    at: '60m',
    labels: { severity: 'critical', namespace: 'm', job: 'trainer' },
    summary: 'trainer has runs that train and does no step',
    silent: [
      { [runs('running')]: stays(1), [steps]: gains(1) },
      { [runs('running')]: stays(0), [steps]: stays(200) },
    ],
  },
  {
    alert: 'MedformerTrainingWaits',
    firing: { [runs('queued')]: stays(2), [runs('running')]: stays(0) },
    at: '15m',
    labels: { severity: 'warning', namespace: 'm', job: 'trainer' },
    summary: 'Runs of trainer wait while none trains',
    silent: [{ [runs('queued')]: stays(2), [runs('running')]: stays(1) }],
  },
  {
    alert: 'MedformerGpuIdle',
    firing: onGpu(gpu.exported, 4),
    at: '30m',
    labels: { severity: 'warning', namespace: 'm', pod: 't-0' },
    summary: 'The GPU of t-0 is at 4% while a run trains',
    silent: [onGpu(gpu.honoured, 85), onGpu(gpu.honoured, 4, 0)],
  },
  {
    alert: 'MedformerIngestsFail',
    firing: { [ingests('failed')]: '0x5 1x20' },
    at: '10m',
    labels: { severity: 'warning', namespace: 'm', job: 'ingestion' },
    summary: 'Ingests of ingestion fail for our fault',
    silent: [{ [ingests('refused')]: gains(5), [ingests('failed')]: stays(2) }],
  },
  {
    alert: 'MedformerManyBadFiles',
    firing: { [badFiles]: gains(20), [ingested]: gains(80) },
    at: '70m',
    labels: { severity: 'info', namespace: 'm', job: 'ingestion' },
    summary: 'More than a tenth of the files given to ingestion are left out as bad',
    silent: [{ [badFiles]: gains(2), [ingested]: gains(98) }],
  },
  {
    alert: 'MedformerFusionsFail',
    firing: { [fused('failed')]: '0x5 1x20' },
    at: '10m',
    labels: { severity: 'warning', namespace: 'm', job: 'augmentation' },
    summary: 'Calls that fuse fail in augmentation',
    silent: [{ [fused('cancelled')]: gains(5), [fused('failed')]: stays(1) }],
  },
  {
    alert: 'MedformerEvaluationsFail',
    firing: { [evaluated('failed')]: '0x5 1x20' },
    at: '10m',
    labels: { severity: 'warning', namespace: 'm', job: 'evaluation' },
    summary: 'Evaluations fail in evaluation',
    silent: [{ [evaluated('refused')]: gains(5), [evaluated('failed')]: stays(1) }],
  },
  {
    alert: 'MedformerScoreDropped',
    firing: { [score('auc')]: '0.95x20 0.8x40' },
    at: '40m',
    labels: { severity: 'warning', namespace: 'm', dataset: 'd', protocol: 'knn', metric: 'auc' },
    summary: 'auc of knn on d is 0.800, 5 % below its best of 7 days',
    silent: [{ [score('auc')]: '0.95x20 0.94x40' }, { [score('f1')]: '0.95x20 0.5x40' }],
  },
];

/** Of recording rules that nothing here can scrape, in both spellings of the exporter's labels. */
export const GPU_CASES = Object.values(gpu).map((series) => ({
  series: {
    ...onGpu(series, 60),
    [series.replace('GPU_UTIL', 'FB_USED')]: stays(1024),
  },
  expected: {
    'medformer:gpu_utilisation:ratio': 0.6,
    'medformer:gpu_memory_used:bytes': 1024 ** 3,
  },
  labels: '{gpu="0", job="trainer", namespace="m", pod="t-0"}',
}));
