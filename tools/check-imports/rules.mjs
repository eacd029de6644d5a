/**
 * Who may import whom. The layers follow the flow: records, then pure stages, then adapters, then services.
 * `docs/data-flow.md` explains the table; this file is the table.
 */

/** Every package and its layer. A package that is missing here fails the check. */
export const LAYERS = {
  schema: 'records',
  gen: 'records',
  tensorflow: 'tensors',
  deidentify: 'formats',
  imaging: 'formats',
  phantom: 'pure',
  augment: 'pure',
  optimisers: 'pure',
  brainfuse: 'pure',
  medformer: 'pure',
  export: 'pure',
  ssl: 'pure',
  evaluators: 'pure',
  'data-report': 'pure',
  report: 'pure',
  'object-store': 'adapter',
  dataset: 'adapter',
  checkpoint: 'adapter',
  telemetry: 'adapter',
  dashboards: 'outside',
  compute: 'adapter',
  rpc: 'adapter',
  ingestion: 'service',
  augmentation: 'service',
  trainer: 'service',
  evaluation: 'service',
  encoder: 'service',
  standalone: 'composition',
  cli: 'client',
  e2e: 'outside',
};

/** Layers that a layer may import. `wire` names what generated types need. */
export const MAY_IMPORT = {
  records: [],
  tensors: ['records'],
  formats: ['records', 'formats'],
  pure: ['records', 'tensors', 'formats', 'pure'],
  adapter: ['records', 'tensors', 'formats', 'pure', 'adapter'],
  service: ['records', 'tensors', 'formats', 'pure', 'adapter'],
  composition: ['records', 'adapter', 'service'],
  // The client needs the tensors only to examine this machine (`medformer doctor`), and formats to write what it got.
  client: ['records', 'tensors', 'formats'],
  outside: ['records', 'adapter', 'outside'],
};

const TRANSPORT = [/^@nestjs\//, /^@grpc\//, /^rxjs/, /^grpc-health-check$/];
const NETWORK_AND_PROCESSES = [
  /^minio$/,
  /^pino$/,
  /^prom-client$/,
  /^execa$/,
  /^node:(net|http|https|http2|dgram|tls|child_process|cluster)(\/|$)/,
];

/** What is never imported, apart from specs where `inSpecs` is false. */
export const FORBIDDEN = [
  {
    layers: ['records', 'tensors', 'formats', 'pure', 'adapter'],
    except: ['gen', 'rpc'],
    modules: TRANSPORT,
    inSpecs: true,
    why: 'transport belongs to libs/rpc and the services',
  },
  {
    layers: ['formats', 'pure'],
    except: [],
    modules: NETWORK_AND_PROCESSES,
    inSpecs: false,
    why: 'a pure stage talks to no network, store or process',
  },
  {
    layers: ['formats', 'pure'],
    // Archives are read in place, and the cohort is painted by threads into a folder that the caller names.
    except: ['imaging', 'phantom'],
    modules: [/^node:(fs|worker_threads)(\/|$)/],
    inSpecs: false,
    why: 'a pure stage takes values and gives values',
  },
  {
    layers: ['records', 'tensors', 'formats', 'pure', 'adapter', 'client'],
    except: ['rpc', 'cli'],
    modules: [/^@medformer\/gen(\/|$)/],
    inSpecs: true,
    why: 'wire types stay at the edge',
  },
];
