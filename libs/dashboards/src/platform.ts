import { chart, dashboard, number } from './panels.js';
import { largest, quantile, rate, total } from './promql.js';

const FAILED = 'grpc_code=~"INTERNAL|UNKNOWN|DATA_LOSS|UNAVAILABLE"';

export const platform = dashboard({
  uid: 'medformer-platform',
  title: 'Medformer / Platform',
  description: 'Are the services up, do calls succeed, do store and processes keep up?',
  rows: [
    {
      title: 'Now',
      panels: [
        number({
          title: 'Services up',
          description: 'Scraped targets that say what they run.',
          unit: 'short',
          queries: [['count(medformer_build_info{job=~"$job"})', '']],
        }),
        number({
          title: 'Calls',
          description: 'gRPC calls that ended, per second.',
          unit: 'reqps',
          queries: [[rate('grpc_server_handled_total'), '']],
        }),
        number({
          title: 'Calls that failed',
          description: 'Share of calls that ended with a code that is our fault.',
          unit: 'percentunit',
          queries: [
            [
              `(${rate('grpc_server_handled_total', [], FAILED)} or vector(0)) / ${rate('grpc_server_handled_total')}`,
              '',
            ],
          ],
        }),
        number({
          title: 'Compute processes',
          description: 'Child processes that compute.',
          unit: 'short',
          queries: [[total('medformer_compute_processes'), '']],
        }),
        number({
          title: 'Compute processes lost, 1 h',
          description: 'Ended unasked; the next call starts another.',
          unit: 'short',
          queries: [['sum (increase(medformer_compute_losses_total{job=~"$job"}[1h]))', '']],
        }),
        number({
          title: 'Versions that run',
          description: 'More than one while a roll-out is under way.',
          unit: 'short',
          queries: [['count(count by (code_version) (medformer_build_info{job=~"$job"}))', '']],
        }),
      ],
    },
    {
      title: 'Calls',
      panels: [
        chart({
          title: 'Calls by method',
          description: 'gRPC calls that ended, per second.',
          unit: 'reqps',
          queries: [[rate('grpc_server_handled_total', ['grpc_service', 'grpc_method']), '{{grpc_method}}']],
        }),
        chart({
          title: 'Calls by code',
          description: 'INVALID_ARGUMENT and the like are callers; INTERNAL and UNAVAILABLE are ours.',
          unit: 'reqps',
          queries: [[rate('grpc_server_handled_total', ['grpc_code']), '{{grpc_code}}']],
        }),
        chart({
          title: 'Time of calls, p99',
          description: 'From the first message to the end; streams last as long as their work.',
          unit: 's',
          queries: [[quantile(0.99, 'grpc_server_handling_seconds', ['grpc_method']), '{{grpc_method}}']],
        }),
      ],
    },
    {
      title: 'Object store',
      panels: [
        chart({
          title: 'Operations',
          description: 'In services and in their compute processes.',
          unit: 'ops',
          queries: [[rate('medformer_store_operation_seconds_count', ['operation']), '{{operation}}']],
        }),
        chart({
          title: 'Time of operations',
          description: 'p50 and p99 of what callers waited.',
          unit: 's',
          queries: [
            [quantile(0.5, 'medformer_store_operation_seconds', ['operation']), '{{operation}} p50'],
            [quantile(0.99, 'medformer_store_operation_seconds', ['operation']), '{{operation}} p99'],
          ],
        }),
        chart({
          title: 'Outcomes',
          description: 'not-found is an answer; failed is not.',
          unit: 'ops',
          queries: [[rate('medformer_store_operation_seconds_count', ['outcome']), '{{outcome}}']],
        }),
      ],
    },
    {
      title: 'Processes',
      panels: [
        chart({
          title: 'Event loop delay of services, p99',
          description: 'A service whose loop waits answers late, whatever its work.',
          unit: 's',
          queries: [[largest('medformer_nodejs_eventloop_lag_p99_seconds', ['job']), '{{job}}']],
        }),
        chart({
          title: 'Longest wait in compute processes',
          description: 'Kernels run on that thread: about a step of training, a batch of encoding.',
          unit: 's',
          queries: [[largest('medformer_compute_eventloop_delay_seconds', ['process']), '{{process}}']],
        }),
        chart({
          title: 'CPU of services',
          description: 'Seconds a second; compute processes not included.',
          unit: 'short',
          queries: [[rate('medformer_process_cpu_seconds_total', ['job']), '{{job}}']],
        }),
        chart({
          title: 'Memory of services',
          description: 'Resident; flat under a steady load.',
          unit: 'bytes',
          queries: [[total('medformer_process_resident_memory_bytes', ['job']), '{{job}}']],
        }),
        chart({
          title: 'Memory of compute processes',
          description: 'Resident, weights and data included.',
          unit: 'bytes',
          queries: [[total('medformer_compute_resident_bytes', ['process']), '{{process}}']],
        }),
        chart({
          title: 'Tensors alive',
          description: 'Flat in a healthy process; a climb is a leak.',
          unit: 'short',
          queries: [[total('medformer_compute_tensors', ['process']), '{{process}}']],
        }),
        chart({
          title: 'Bytes of tensors',
          description: 'What the tensors alive hold.',
          unit: 'bytes',
          queries: [[total('medformer_compute_tensor_bytes', ['process']), '{{process}}']],
        }),
        chart({
          title: 'Calls in compute processes',
          description: 'Under way now.',
          unit: 'short',
          queries: [[total('medformer_compute_calls', ['process']), '{{process}}']],
        }),
        chart({
          title: 'Compute processes lost',
          description: 'By why they ended: crashed, killed for a cancelled call, or never ready.',
          unit: 'short',
          queries: [
            [
              'sum by (process, cause) (increase(medformer_compute_losses_total{job=~"$job"}[$__rate_interval]))',
              '{{process}} {{cause}}',
            ],
          ],
        }),
      ],
    },
    {
      title: 'Access',
      panels: [
        chart({
          title: 'Calls refused before their handler',
          description: 'No token, no scope, over a limit.',
          unit: 'reqps',
          queries: [[`${rate('medformer_calls_refused_total', ['reason'])} or vector(0)`, '{{reason}}']],
        }),
        chart({
          title: 'GPU use',
          description: 'By pod, of the DCGM exporter.',
          unit: 'percentunit',
          queries: [['medformer:gpu_utilisation:ratio', '{{pod}} {{gpu}}']],
        }),
        chart({
          title: 'GPU memory',
          description: 'By pod, of the DCGM exporter.',
          unit: 'bytes',
          queries: [['medformer:gpu_memory_used:bytes', '{{pod}} {{gpu}}']],
        }),
      ],
    },
  ],
});
