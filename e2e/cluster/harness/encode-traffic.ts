import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { EncodeRequest, type EncodeResponse, EncoderServiceClient } from '@medformer/gen/encoder';
import { CHART } from '../../src/harness/chart.js';

/**
 * What gRPC's service config says for a client of the headless Service: pods take turns, an unavailable one is tried again. Names
 * are asked for again sooner than after gRPC's 30 s, and a call waits while no pod is connected (docs/kubernetes.md).
 */
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: 'medformer.encoder.v1.EncoderService', method: 'Encode' }],
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

/** One image after the other to the encoders. */
export class EncodeTraffic {
  /** Every failed call, in its status' words. */
  readonly failures: string[] = [];
  readonly checkpoints = new Set<string>();
  calls = 0;
  private readonly stopping = new AbortController();
  private readonly client: EncoderServiceClient;
  private readonly work: Promise<void>;

  /** @param address `dns:///…-headless…:port` */
  constructor(address: string, tls: Record<'ca' | 'cert' | 'key', string>) {
    const [ca, key, cert] = [tls.ca, tls.key, tls.cert].map((file) => readFileSync(file));
    this.client = new EncoderServiceClient(address, credentials.createSsl(ca, key, cert), {
      'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
      'grpc.dns_min_time_between_resolutions_ms': 1000,
    });
    this.work = this.go();
  }

  async stop(): Promise<this> {
    this.stopping.abort();
    await this.work;
    this.client.close();
    return this;
  }

  private async go(): Promise<void> {
    const content = readFileSync(join(CHART, 'files/test-image.png'));
    const request = EncodeRequest.fromPartial({
      image: { $case: 'file', value: { name: 'image.png', content } },
      modality: 'xray',
      bodyPart: 'chest',
    });
    while (!this.stopping.signal.aborted) {
      await this.encode(request).then(
        ({ lineage }) => this.checkpoints.add(lineage!.checkpoint),
        (error: ServiceError) => this.failures.push(error.message),
      );
      this.calls += 1;
      await sleep(100);
    }
  }

  private encode(request: EncodeRequest): Promise<EncodeResponse> {
    return new Promise((resolve, reject) =>
      this.client.encode(
        request,
        new Metadata({ waitForReady: true }),
        { deadline: Date.now() + 60_000 },
        (error, response) => (error ? reject(error) : resolve(response)),
      ),
    );
  }
}
