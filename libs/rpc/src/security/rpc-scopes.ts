/** The words that a caller's permissions are made of: a stage, and whether it may change what is stored or served. */
export const SCOPES = [
  'ingestion:read',
  'ingestion:write',
  'augmentation:read',
  'augmentation:write',
  'trainer:read',
  'trainer:write',
  'evaluation:read',
  'evaluation:write',
  'encoder:read',
  'encoder:write',
] as const;
export type Scope = (typeof SCOPES)[number];

/** `open` to everyone, `known` to every caller that shows who it is, or to those who have a scope. */
export type Access = 'open' | 'known' | Scope;

/** What each rpc asks of its caller. One that is missing here is refused to all when callers must show who they are. */
const ACCESS: Record<string, Record<string, Access>> = {
  'medformer.ingestion.v1.IngestionService': {
    BeginUpload: 'ingestion:write',
    UploadFile: 'ingestion:write',
    Ingest: 'ingestion:write',
    ListDatasets: 'ingestion:read',
    GetDataset: 'ingestion:read',
    DiffDatasets: 'ingestion:read',
    VerifyDataset: 'ingestion:read',
    RenderDatasetPage: 'ingestion:read',
    RemoveDataset: 'ingestion:write',
    CollectGarbage: 'ingestion:write',
  },
  'medformer.augmentation.v1.AugmentationService': {
    DrawViews: 'augmentation:read',
    Fuse: 'augmentation:read',
    StreamFusions: 'augmentation:read',
    FuseDataset: 'augmentation:write',
    MeasureFusions: 'augmentation:write',
    TrainGenerator: 'augmentation:write',
    ListGenerators: 'augmentation:read',
  },
  'medformer.trainer.v1.TrainerService': {
    StartRun: 'trainer:write',
    WatchRun: 'trainer:read',
    CancelRun: 'trainer:write',
    SuspendRun: 'trainer:write',
    ResumeRun: 'trainer:write',
    StreamRunLogs: 'trainer:read',
    GetRun: 'trainer:read',
    ListRuns: 'trainer:read',
    GetCapacity: 'trainer:read',
    ReplayFailedStep: 'trainer:read',
    ExportCheckpoint: 'trainer:read',
  },
  'medformer.evaluation.v1.EvaluationService': {
    Evaluate: 'evaluation:write',
    StartEvaluation: 'evaluation:write',
    WatchEvaluation: 'evaluation:read',
    GetEvaluation: 'evaluation:read',
    ListEvaluations: 'evaluation:read',
    CancelEvaluation: 'evaluation:write',
    GetReport: 'evaluation:read',
    ListReports: 'evaluation:read',
    RenderReport: 'evaluation:read',
    ReadReportFile: 'evaluation:read',
    CompareScores: 'evaluation:read',
    ExportScores: 'evaluation:read',
    DescribeDatasets: 'evaluation:write',
    RenderDataReport: 'evaluation:read',
    PromoteCheckpoint: 'evaluation:write',
    ListPromotions: 'evaluation:read',
  },
  'medformer.encoder.v1.EncoderService': {
    Encode: 'encoder:read',
    EncodeStream: 'encoder:read',
    Attend: 'encoder:read',
    GetModel: 'encoder:read',
    ListModels: 'encoder:read',
    LoadModel: 'encoder:write',
    UnloadModel: 'encoder:write',
    SetDefaultModel: 'encoder:write',
    RollBack: 'encoder:write',
  },
  'inference.GRPCInferenceService': {
    ServerLive: 'open',
    ServerReady: 'open',
    ServerMetadata: 'encoder:read',
    ModelReady: 'encoder:read',
    ModelMetadata: 'encoder:read',
    ModelInfer: 'encoder:read',
  },
  'grpc.health.v1.Health': { Check: 'open', List: 'open', Watch: 'open' },
  'grpc.reflection.v1.ServerReflection': { ServerReflectionInfo: 'known' },
  'grpc.reflection.v1alpha.ServerReflection': { ServerReflectionInfo: 'known' },
};

/** What the rpc of this path (`/package.Service/Method`) asks of its caller; undefined for one without a row. */
export function accessOf(path: string): Access | undefined {
  const [, service = '', method = ''] = path.split('/');
  const rows = Object.hasOwn(ACCESS, service) ? ACCESS[service]! : {};
  return Object.hasOwn(rows, method) ? rows[method] : undefined;
}

/** An rpc that changes what is stored or served. */
export function changesState(path: string): boolean {
  return accessOf(path)?.endsWith(':write') ?? false;
}
