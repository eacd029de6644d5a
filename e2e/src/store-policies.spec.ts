import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, openObjectStore } from '@medformer/object-store';
import {
  addPolicy,
  type IdentityProvider,
  type S3Server,
  startIdentityProvider,
  startMinio,
} from '@medformer/object-store/testing';
import { issue, makeAuthority, writeFiles } from '@medformer/object-store/testing/certificates';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { medformerJson } from './harness/medformer.js';
import { medmnistMembers, npz } from './harness/npz.js';
import { ROOT, type Services, STAGES, startSeparately } from './harness/services.js';

const PREFIXES = [
  ...['blobs', 'data-report-index', 'datasets', 'deidentification-index', 'embedding-moments'],
  ...['evaluation-parts', 'evaluations', 'fusion-quality-index', 'generators', 'probes', 'promotions'],
  ...['references', 'report-files', 'report-index', 'reports', 'runs', 'serving', 'uploads'],
];
const NAMES = ['--modality', 'xray', '--body-part', 'chest'];

/** Each service has an identity token of its own and the policy of docs/object-store, on MinIO over TLS. */
describe('the policies of the object store', { timeout: 600_000 }, () => {
  let folder: string;
  let provider: IdentityProvider;
  let minio: S3Server;
  let services: Services;
  let env: Record<string, string>;
  const at = (name: string) => join(folder, name);
  const storeOf = (stage: string) => ({
    store: `s3://${minio.options.bucket}?endpoint=${minio.options.endpoint}`,
    webIdentityTokenFile: at(`${stage}.token`),
    caFile: at('ca.crt'),
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'medformer-policies-'));
    const authority = await makeAuthority();
    const { cert, key } = await issue(authority, 'localhost');
    await writeFiles({
      [at('ca.crt')]: authority.cert,
      [at('tls/public.crt')]: cert,
      [at('tls/private.key')]: key,
    });
    provider = await startIdentityProvider('medformer');
    minio = await startMinio({
      tls: { folder: at('tls'), caFile: at('ca.crt') },
      env: {
        MINIO_IDENTITY_OPENID_CONFIG_URL: provider.configUrl,
        MINIO_IDENTITY_OPENID_CLIENT_ID: 'medformer',
        MINIO_IDENTITY_OPENID_CLAIM_NAME: 'policy',
      },
    });
    for (const stage of STAGES) {
      const policy = await readFile(join(ROOT, `docs/object-store/${stage}.json`), 'utf8');
      await addPolicy(minio, stage, policy.replaceAll('BUCKET', minio.options.bucket));
      await writeFile(at(`${stage}.token`), await provider.token(stage, { policy: stage }));
    }
    services = await startSeparately(at('data'), (stage) => {
      const { store, webIdentityTokenFile, caFile } = storeOf(stage);
      return {
        store,
        'store-web-identity-token-file': webIdentityTokenFile,
        'store-ca-file': caFile,
        ...(stage === 'ingestion' ? { 'upload-store': store } : {}),
      };
    });
    env = { ...services.env, NODE_EXTRA_CA_CERTS: at('ca.crt') };
  }, 240_000);

  afterAll(async () => {
    await services?.stop();
    await minio?.stop();
    await provider?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('let every service do its work', async () => {
    const archive = at('thirds.npz');
    await writeFile(archive, npz(medmnistMembers()));
    expect(await medformerJson(env, 'ingest', archive, '--name', 'thirds', ...NAMES)).toMatchObject({
      images: 84,
    });
    await medformerJson(env, 'ingest', 'phantom', '--name', 'brains', '--patients', '6');
    await medformerJson(env, 'datasets', 'verify', 'thirds');
    await medformerJson(env, 'datasets', 'report', 'thirds', '--out', at('data.html'));
    await medformerJson(env, 'views', 'thirds', '--images', '1', '--views', '1', '-o', at('views'));
    await medformerJson(env, 'fuse', 'thirds', '--set', 'sources=[3]', '--count', '4', '--name', 'fused');

    const spec = at('run.yaml');
    await writeFile(
      spec,
      'dataset: thirds\nmethod: { name: simclr }\nbatchSize: 16\nsteps: 4\ncheckpointEvery: 1\n',
    );
    const { checkpoint } = await medformerJson(env, 'train', spec);
    const { record } = await medformerJson(env, 'datasets', 'show', 'thirds');
    const { task } = record.labelSpaces[0];
    const scored = await medformerJson(
      env,
      ...['evaluate', '--dataset', 'thirds', '--task', task, '--seeds', '0'],
      ...['--entry', `SimCLR:knn:${checkpoint}`],
    );
    await medformerJson(env, 'report', 'html', scored.report, '-o', at('report.html'));
    const gate = at('gate.yaml');
    await writeFile(gate, `dataset: thirds\ntask: ${task}\nseeds: [0]\nminimum: 0\n`);
    await medformerJson(env, 'promote', checkpoint, '--gate', gate);
    await medformerJson(env, 'serve', checkpoint);
    expect(await medformerJson(env, 'models', 'ls')).toHaveLength(1);

    await medformerJson(env, 'datasets', 'rm', 'fused');
    await medformerJson(env, 'datasets', 'gc');
  });

  it.each(STAGES)('give %s what its policy says and nothing else', async (stage) => {
    const statements: { Action: string[]; Resource: string[] }[] = JSON.parse(
      await readFile(join(ROOT, `docs/object-store/${stage}.json`), 'utf8'),
    ).Statement;
    const { store: url, ...access } = storeOf(stage);
    const mine = await openObjectStore({ url, ...access });
    const { endpoint, bucket, ...owner } = minio.options;
    const everything = await openObjectStore({ url: `s3://${bucket}?endpoint=${endpoint}`, ...owner });
    const allows = (action: string, prefix: string) =>
      statements.some(
        ({ Action, Resource }) =>
          Action.includes(action) &&
          Resource.some((resource) => ['BUCKET/*', `BUCKET/${prefix}/*`].includes(resource.slice(13))),
      );
    for (const prefix of PREFIXES) {
      const key = `${prefix}/of-a-test`;
      await everything.put(key, Buffer.from('x'));
      expect([prefix, await outcomes(mine, key)]).toEqual([
        prefix,
        {
          get: allows('s3:GetObject', prefix),
          put: allows('s3:PutObject', prefix),
          delete: allows('s3:DeleteObject', prefix),
        },
      ]);
      await everything.delete(key);
    }
  });
});

/** What a store lets one do with an object that exists; any failure but a refusal fails the test. */
async function outcomes(store: ObjectStore, key: string): Promise<Record<string, boolean>> {
  const allowed = async (operation: Promise<unknown>) => {
    try {
      await operation;
      return true;
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: 'PERMISSION_DENIED' });
      return false;
    }
  };
  return {
    get: await allowed(store.get(key)),
    put: await allowed(store.put(key, Buffer.from('y'))),
    delete: await allowed(store.delete(key)),
  };
}
