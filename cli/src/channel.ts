import { readFileSync } from 'node:fs';
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  credentials,
  InterceptingCall,
  type Interceptor,
} from '@grpc/grpc-js';
import { MedformerError } from '@medformer/schema';

/** How channels are secured; file names. */
export interface ChannelSettings {
  /** Certificates that sign the services'; named, the channels use TLS. */
  tlsCa?: string | undefined;
  /** The caller's own certificate and key, where the services ask for one. */
  tlsCert?: string | undefined;
  tlsKey?: string | undefined;
  /** The name in the services' certificate, where it is not that of their address, e.g. behind a forwarded port. */
  tlsServerName?: string | undefined;
  /** Sent as a bearer token; read again at each call, for projected tokens are replaced. */
  tokenFile?: string | undefined;
  /** Sends the token in plain text to another machine. */
  allowInsecure?: boolean | undefined;
}

const IDEMPOTENT: Record<string, readonly string[]> = {
  'medformer.ingestion.v1.IngestionService': ['ListDatasets', 'GetDataset'],
  'medformer.augmentation.v1.AugmentationService': ['Fuse', 'ListGenerators'],
  'medformer.trainer.v1.TrainerService': ['GetRun', 'ListRuns'],
  'medformer.evaluation.v1.EvaluationService': ['GetReport', 'ListReports'],
  'medformer.encoder.v1.EncoderService': ['Encode', 'Attend', 'GetModel', 'ListModels'],
};

/** gRPC service config: calls that change nothing are tried again while a service restarts, others never. */
const RETRIES = {
  methodConfig: [
    {
      name: Object.entries(IDEMPOTENT).flatMap(([service, methods]) =>
        methods.map((method) => ({ service, method })),
      ),
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: '0.1s',
        maxBackoff: '2s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
};
/** `dns:///name:port` of a headless service: its pods take turns. */
const TAKE_TURNS = { loadBalancingConfig: [{ round_robin: {} }] };

/** Reports with many embedding maps pass the 4 MiB that grpc-js receives by default. */
const MAX_RECEIVE_BYTES = 64 * 1024 * 1024;

/** Flags beat the environment's variables. */
export function channelSettings(flags: ChannelSettings, env: NodeJS.ProcessEnv): ChannelSettings {
  // An empty variable is one that is not set, as the services have it.
  const named = (flag: string | undefined, variable: string) => flag ?? (env[variable] || undefined);
  return {
    tlsCa: named(flags.tlsCa, 'MEDFORMER_TLS_CA_FILE'),
    tlsCert: named(flags.tlsCert, 'MEDFORMER_TLS_CERT_FILE'),
    tlsKey: named(flags.tlsKey, 'MEDFORMER_TLS_KEY_FILE'),
    tlsServerName: named(flags.tlsServerName, 'MEDFORMER_TLS_SERVER_NAME'),
    tokenFile: named(flags.tokenFile, 'MEDFORMER_TOKEN_FILE'),
    allowInsecure: flags.allowInsecure ?? env.MEDFORMER_ALLOW_INSECURE === 'true',
  };
}

/** @throws MedformerError INVALID_ARGUMENT for files that cannot be used, or a token that would cross a network in plain text. */
export function openChannel(address: string, settings: ChannelSettings): Client {
  const interceptors: Interceptor[] = [];
  if (settings.tokenFile !== undefined) {
    if (!isSecure(settings) && !isLoopback(address) && !settings.allowInsecure) {
      throw new MedformerError(
        'INVALID_ARGUMENT',
        `the token would reach ${address} in plain text; give --tls-ca, or --allow-insecure`,
      );
    }
    read(settings.tokenFile);
    interceptors.push(withToken(settings.tokenFile));
  }
  const options: ChannelOptions = {
    'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
    'grpc.per_rpc_retry_buffer_size': MAX_RECEIVE_BYTES,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.service_config': JSON.stringify({ ...RETRIES, ...(address.startsWith('dns:') ? TAKE_TURNS : {}) }),
    ...(settings.tlsServerName
      ? {
          'grpc.ssl_target_name_override': settings.tlsServerName,
          'grpc.default_authority': settings.tlsServerName,
        }
      : {}),
    // A proxy is never on the way to this machine itself.
    ...(isLoopback(address) ? { 'grpc.enable_http_proxy': 0 } : {}),
  };
  return new Client(address, credentialsOf(settings), { ...options, interceptors });
}

function credentialsOf(settings: ChannelSettings): ChannelCredentials {
  if (!isSecure(settings)) return credentials.createInsecure();
  const { tlsCa, tlsCert, tlsKey } = settings;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new MedformerError('INVALID_ARGUMENT', 'expected --tls-cert and --tls-key together');
  }
  const [ca, key, cert] = [tlsCa, tlsKey, tlsCert].map((file) => (file === undefined ? null : read(file)));
  try {
    return credentials.createSsl(ca, key, cert);
  } catch (cause) {
    const files = [tlsCa, tlsCert, tlsKey].filter((file) => file !== undefined).join(', ');
    throw new MedformerError('INVALID_ARGUMENT', `${files}: not certificates and a key in PEM`, { cause });
  }
}

function withToken(file: string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${read(file).toString('utf8').trim()}`);
        next(metadata, listener);
      },
    });
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new MedformerError('INVALID_ARGUMENT', `${file}: cannot be read (${code})`, { cause });
  }
}

function isSecure({ tlsCa, tlsCert, tlsKey }: ChannelSettings): boolean {
  return (tlsCa ?? tlsCert ?? tlsKey) !== undefined;
}

function isLoopback(address: string): boolean {
  return /^(dns:\/*)?(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(address);
}
