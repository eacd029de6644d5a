import { KubeConfig } from '@kubernetes/client-node';
import type { ObjectStore } from '@medformer/object-store';
import { objectStoreConfig } from '@medformer/rpc';
import { badInput, MedformerError } from '@medformer/schema';
import type { Logger } from '@medformer/telemetry';
import type { TrainerConfig } from './config.js';
import { JobTemplate } from './kubernetes/job-template.js';
import { KubernetesBackend } from './kubernetes/kubernetes-backend.js';
import { ProcessBackend } from './process-backend.js';
import type { TrainingBackend } from './training-backend.js';

/** @throws MedformerError INVALID_ARGUMENT for a backend without what it needs, UNAVAILABLE for a cluster that does not answer */
export async function openBackend(
  config: TrainerConfig,
  store: ObjectStore,
  logger: Logger,
): Promise<TrainingBackend> {
  if (config.trainerBackend === 'process') {
    const { trainerConcurrency: concurrency, trainerThreads: threads, trainerWorkers: workers } = config;
    const own = { store: objectStoreConfig(config), concurrency, workers };
    const options = { ...own, ...(threads ? { threads } : {}) };
    return new ProcessBackend(store, options, logger);
  }
  if (!config.trainerJobTemplate)
    throw badInput({
      file: 'configuration',
      field: 'trainerJobTemplate',
      expected: 'a file with a Job',
      found: 'none',
    });
  const template = JobTemplate.read(config.trainerJobTemplate, {
    ...(config.trainerJobWorkers ? { workers: config.trainerJobWorkers } : {}),
    ...(config.trainerJobGpus ? { gpus: config.trainerJobGpus } : {}),
  });
  const namespace = config.namespace ?? template.namespace ?? 'default';
  const backend = new KubernetesBackend(store, { config: kubeConfig(), namespace, template }, logger);
  await backend.begin();
  return backend;
}

/** Of KUBECONFIG, or of the pod's service account. */
function kubeConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  if (config.getCurrentCluster()) return config;
  throw new MedformerError(
    'FAILED_PRECONDITION',
    'no cluster: neither KUBECONFIG nor a service account names one',
  );
}
