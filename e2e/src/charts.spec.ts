import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  CHART,
  find,
  jobsIn,
  type Manifest,
  NEEDED,
  ofKind,
  RELEASE,
  refusal,
  render,
} from './harness/chart.js';
import { STAGES } from './harness/services.js';

const over = (values: object) => render({ ...NEEDED, ...values });
const podOf = (manifest: Manifest) => manifest.spec.template.spec;
const containerOf = (manifest: Manifest) => podOf(manifest).containers[0];
const settingsOf = (manifests: Manifest[], stage: string) =>
  parse(find(manifests, 'ConfigMap', stage).data['config.yaml']);

describe('a stage', () => {
  it.each(STAGES)('%s runs its own program as its own account, found by two services', async (stage) => {
    const manifests = await over({});
    const deployment = find(manifests, 'Deployment', stage);
    expect(containerOf(deployment)).toMatchObject({
      image: 'medformer/medformer:0.1.0',
      command: ['node', `services/${stage}/dist/main.js`],
      ports: [
        { name: 'grpc', containerPort: 50050 },
        { name: 'metrics', containerPort: 9464 },
      ],
    });
    expect(podOf(deployment)).toMatchObject({
      serviceAccountName: `${RELEASE}-medformer-${stage}`,
      automountServiceAccountToken: false,
    });
    expect(find(manifests, 'ServiceAccount', stage).automountServiceAccountToken).toBe(false);
    const selector = deployment.spec.selector.matchLabels;
    expect(deployment.spec.template.metadata.labels).toMatchObject(selector);
    expect(find(manifests, 'Service', stage).spec).toMatchObject({ selector, type: 'ClusterIP' });
    expect(find(manifests, 'Service', `${stage}-headless`).spec).toMatchObject({
      selector,
      clusterIP: 'None',
    });
    expect(find(manifests, 'PodDisruptionBudget', stage).spec).toMatchObject({
      maxUnavailable: 1,
      selector: { matchLabels: selector },
    });
  });

  it('selects its pods by labels that no upgrade and no value changes', async () => {
    const selectorOf = async (values: object) =>
      find(await over(values), 'Deployment', 'encoder').spec.selector.matchLabels;
    const plain = await selectorOf({});
    expect(plain).toEqual({
      'app.kubernetes.io/name': 'medformer',
      'app.kubernetes.io/instance': RELEASE,
      'app.kubernetes.io/component': 'encoder',
    });
    expect(await selectorOf({ defaults: { podLabels: { team: 'a' } }, image: { tag: '9' } })).toEqual(plain);
  });

  it('is left out when it is turned off, with its policies', async () => {
    const manifests = await over({ augmentation: { enabled: false } });
    const text = JSON.stringify(manifests);
    expect(text).not.toContain('augmentation');
    expect(ofKind(manifests, 'Deployment')).toHaveLength(4);
  });

  it('has what `defaults` says unless its own block says otherwise, false and 0 included', async () => {
    const manifests = await over({
      defaults: { replicas: 4, priorityClassName: 'high', disruptionBudget: true },
      trainer: { replicas: 1 },
      encoder: { replicas: 0, disruptionBudget: false },
    });
    expect(find(manifests, 'Deployment', 'evaluation').spec.replicas).toBe(4);
    expect(find(manifests, 'Deployment', 'encoder').spec.replicas).toBe(0);
    expect(podOf(find(manifests, 'Deployment', 'encoder')).priorityClassName).toBe('high');
    expect(ofKind(manifests, 'PodDisruptionBudget')).toHaveLength(4);
  });

  it('is probed over plain HTTP, and has longer to end than calls have to finish', async () => {
    const manifests = await over({ encoder: { settings: { drainTimeoutMs: 90_500 } } });
    const pod = podOf(find(manifests, 'Deployment', 'encoder'));
    expect(pod.containers[0]).toMatchObject({
      startupProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
      readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
      livenessProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
    });
    expect(pod.terminationGracePeriodSeconds).toBe(10 + 91 + 15);
    expect(podOf(find(manifests, 'Deployment', 'trainer')).terminationGracePeriodSeconds).toBe(10 + 20 + 60);
  });

  it('takes calls until the name servers have let go of it, before it is told to stop', async () => {
    const lifecycleOf = async (values: object) =>
      podOf(find(await over({ encoder: values }), 'Deployment', 'encoder')).containers[0].lifecycle;
    expect(await lifecycleOf({ stopDelaySeconds: 35 })).toEqual({ preStop: { sleep: { seconds: 35 } } });
    // Kubernetes 1.31 to 1.33 refuse a sleep of nothing.
    expect(await lifecycleOf({ stopDelaySeconds: 0 })).toBeUndefined();
  });

  it('is configured by a file, and rolls out anew when the file changes', async () => {
    const checksum = async (values: object) => {
      const manifests = await over(values);
      const { annotations } = find(manifests, 'Deployment', 'encoder').spec.template.metadata;
      return { checksum: annotations['checksum/config'], settings: settingsOf(manifests, 'encoder') };
    };
    const before = await checksum({});
    const after = await checksum({ encoder: { settings: { encoderThreads: 3 } } });
    expect(before.settings).toMatchObject({
      host: '0.0.0.0',
      port: 50050,
      metricsPort: 9464,
      data: '/var/lib/medformer',
      store: NEEDED.objectStore.url,
    });
    expect(after.settings.encoderThreads).toBe(3);
    expect(after.checksum).not.toBe(before.checksum);
    expect((await checksum({ evaluation: { replicas: 3 } })).checksum).toBe(before.checksum);
  });

  it('computes with as many threads as it has CPUs, unless a setting says how many', async () => {
    const threads = async (settings: object) =>
      containerOf(find(await over({ encoder: { settings } }), 'Deployment', 'encoder')).env.find(
        ({ name }: Manifest) => name === 'MEDFORMER_ENCODER_THREADS',
      );
    expect(await threads({})).toEqual({
      name: 'MEDFORMER_ENCODER_THREADS',
      valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1' } },
    });
    expect(await threads({ encoderThreads: 2 })).toBeUndefined();
  });

  it('runs the image of its digest where there is one', async () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const manifests = await over({
      image: { registry: 'registry.example.com', digest, pullSecrets: ['registry'] },
      evaluation: { image: { repository: 'medformer/gpu', digest: '', tag: '2' } },
    });
    const encoder = find(manifests, 'Deployment', 'encoder');
    expect(containerOf(encoder).image).toBe(`registry.example.com/medformer/medformer@${digest}`);
    expect(podOf(encoder).imagePullSecrets).toEqual([{ name: 'registry' }]);
    expect(containerOf(find(manifests, 'Deployment', 'evaluation')).image).toBe(
      'registry.example.com/medformer/gpu:2',
    );
  });

  it('leaves its ids to the platform when they are null', async () => {
    const manifests = await over({ podIds: { user: null, group: null } });
    expect(podOf(find(manifests, 'Deployment', 'encoder')).securityContext).toEqual({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
  });
});

describe('a GPU', () => {
  it('is asked for with its taint, product and runtime, by that stage alone', async () => {
    const manifests = await over({
      encoder: {
        gpu: {
          count: 2,
          products: ['NVIDIA-L40S'],
          runtimeClassName: 'nvidia',
          nodeSelector: { pool: 'gpu' },
        },
        tolerations: [{ key: 'team', operator: 'Exists' }],
        nodeSelector: { zone: 'a' },
      },
    });
    const pod = podOf(find(manifests, 'Deployment', 'encoder'));
    expect(pod.containers[0].resources.limits['nvidia.com/gpu']).toBe('2');
    expect(pod.runtimeClassName).toBe('nvidia');
    expect(pod.nodeSelector).toEqual({ pool: 'gpu', zone: 'a' });
    expect(pod.tolerations).toEqual([
      { key: 'team', operator: 'Exists' },
      { key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' },
    ]);
    expect(
      pod.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms,
    ).toEqual([
      { matchExpressions: [{ key: 'nvidia.com/gpu.product', operator: 'In', values: ['NVIDIA-L40S'] }] },
    ]);
    const other = podOf(find(manifests, 'Deployment', 'evaluation'));
    expect(JSON.stringify(other)).not.toContain('nvidia');
  });

  it('may be a MIG slice', async () => {
    const manifests = await render({}, 'mig');
    expect(containerOf(find(manifests, 'Deployment', 'encoder')).resources.limits).toMatchObject({
      'nvidia.com/mig-1g.10gb': '1',
    });
  });

  it('is not mixed with a node affinity that would be lost', async () => {
    const refused = await refusal({
      ...NEEDED,
      encoder: { gpu: { count: 1, products: ['x'] }, affinity: { nodeAffinity: { y: [] } } },
    });
    expect(refused).toContain('set either gpu.products or affinity.nodeAffinity');
  });
});

describe('the number of pods', () => {
  it('is left to a HorizontalPodAutoscaler when there is one', async () => {
    const manifests = await over({
      encoder: { autoscaling: { enabled: true, podMetric: { name: 'medformer_encoder_queue_depth' } } },
    });
    expect(find(manifests, 'Deployment', 'encoder').spec).not.toHaveProperty('replicas');
    const { spec } = find(manifests, 'HorizontalPodAutoscaler', 'encoder');
    expect(spec.scaleTargetRef.name).toBe(`${RELEASE}-medformer-encoder`);
    expect(spec.metrics.map(({ type }: Manifest) => type)).toEqual(['Resource', 'Pods']);
    expect(spec.metrics[1].pods.metric.name).toBe('medformer_encoder_queue_depth');
  });

  it("is left to KEDA's query when there is one, and never to both", async () => {
    const { spec } = find(await render({}, 'keda'), 'ScaledObject', 'encoder');
    expect(spec.triggers[0].metadata.query).toBe('sum(medformer_encoder_queue_depth{namespace="medformer"})');
    const refused = await refusal({ encoder: { autoscaling: { enabled: true } } }, 'keda');
    expect(refused).toContain('enable one');
  });
});

describe('the object store', () => {
  it('is needed, and its Secret too', async () => {
    expect(await refusal({})).toContain('objectStore.url is needed');
    expect(await refusal({ objectStore: { url: NEEDED.objectStore.url } })).toContain(
      'objectStore.existingSecret is needed',
    );
  });

  it('hands its keys and its authority to every stage as files of Secrets, which may change', async () => {
    const manifests = await over({
      objectStore: {
        ...NEEDED.objectStore,
        secrets: { encoder: 'encoder-keys' },
        caSecret: 'store-ca',
        clientSecret: 'store-client',
        encryption: 'aws:kms',
        kmsKey: 'images',
      },
    });
    for (const stage of STAGES) {
      const deployment = find(manifests, 'Deployment', stage);
      const { env, volumeMounts } = containerOf(deployment);
      const mounted = (variable: string) => {
        const { value } = env.find(({ name }: Manifest) => name === `MEDFORMER_STORE_${variable}`);
        const { name } = volumeMounts.find(
          ({ mountPath }: Manifest) => value === mountPath || value.startsWith(`${mountPath}/`),
        );
        return podOf(deployment).volumes.find((volume: Manifest) => volume.name === name).secret.secretName;
      };
      expect(mounted('CREDENTIALS_FOLDER')).toBe(stage === 'encoder' ? 'encoder-keys' : 'object-store');
      expect(mounted('CA_FILE')).toBe('store-ca');
      expect(mounted('CLIENT_KEY_FILE')).toBe('store-client');
      expect(env).toContainEqual({ name: 'MEDFORMER_STORE_ENCRYPTION', value: 'aws:kms' });
      expect(env).toContainEqual({ name: 'MEDFORMER_STORE_KMS_KEY', value: 'images' });
    }
  });

  it('takes a token of each service account instead of keys', async () => {
    const { url } = NEEDED.objectStore;
    const webIdentity = {
      enabled: true,
      audiences: { trainer: 'medformer-trainer' },
      roleArns: { encoder: 'arn:aws:iam::1:role/encoder' },
      stsEndpoint: 'https://sts.example.com',
    };
    const manifests = await render({ objectStore: { url, webIdentity } });
    const audienceOf = (stage: string) =>
      podOf(find(manifests, 'Deployment', stage)).volumes.find(
        ({ name }: Manifest) => name === 'object-store-identity',
      ).projected.sources[0].serviceAccountToken.audience;
    expect(['encoder', 'trainer'].map(audienceOf)).toEqual(['sts.amazonaws.com', 'medformer-trainer']);
    const { env } = containerOf(find(manifests, 'Deployment', 'encoder'));
    expect(env).toContainEqual({
      name: 'MEDFORMER_STORE_ROLE_ARN',
      value: 'arn:aws:iam::1:role/encoder',
    });
    expect(env).toContainEqual({
      name: 'MEDFORMER_STORE_WEB_IDENTITY_TOKEN_FILE',
      value: '/etc/medformer/object-store-identity/token',
    });
    expect(env.map(({ name }: Manifest) => name)).not.toContain('MEDFORMER_STORE_CREDENTIALS_FOLDER');
  });

  it('has a second bucket for uploads where clients reach one', async () => {
    const uploadStore = 's3://uploads?endpoint=https://s3.example.com';
    const ingestion = { uploadStore, deidentificationConfigMap: 'profile' };
    const deployment = find(await over({ ingestion }), 'Deployment', 'ingestion');
    expect(containerOf(deployment).env).toContainEqual({
      name: 'MEDFORMER_UPLOAD_STORE',
      value: uploadStore,
    });
    expect(containerOf(deployment).env).toContainEqual({
      name: 'MEDFORMER_DEIDENTIFICATION_FILE',
      value: '/etc/medformer/deidentification/deidentification.yaml',
    });
    expect(podOf(deployment).volumes).toContainEqual({
      name: 'deidentification',
      configMap: { name: 'profile' },
    });
  });

  it('is one MinIO for a trial, with a password of its own', async () => {
    const manifests = await render({}, 'trial');
    expect(settingsOf(manifests, 'encoder').store).toBe(
      `s3://medformer?endpoint=http://${RELEASE}-medformer-minio:9000`,
    );
    expect(find(manifests, 'Secret', 'minio').data).toHaveProperty('secretKey');
    const { spec } = find(manifests, 'StatefulSet', 'minio');
    expect(spec.volumeClaimTemplates[0].spec.resources.requests.storage).toBe('20Gi');
    const fleeting = await render(
      { minio: { persistence: { enabled: false }, existingSecret: 'mine' } },
      'trial',
    );
    expect(find(fleeting, 'StatefulSet', 'minio').spec).not.toHaveProperty('volumeClaimTemplates');
    expect(
      fleeting.filter(({ kind, metadata }) => kind === 'Secret' && metadata.name.includes('minio')),
    ).toEqual([]);
  });
});

describe('encryption', () => {
  it("is mTLS by default, signed by the release's own authority", async () => {
    const manifests = await over({});
    expect(settingsOf(manifests, 'encoder')).toMatchObject({
      tlsCertFile: '/etc/medformer/tls/tls.crt',
      tlsKeyFile: '/etc/medformer/tls/tls.key',
      tlsClientCaFile: '/etc/medformer/tls/ca.crt',
    });
    const certificate = find(manifests, 'Certificate', 'encoder');
    expect(certificate.spec.dnsNames).toContain(`${RELEASE}-medformer-encoder.medformer.svc`);
    expect(certificate.spec.dnsNames).toContain(
      `${RELEASE}-medformer-encoder-headless.medformer.svc.cluster.local`,
    );
    expect(certificate.spec.issuerRef).toEqual({ name: `${RELEASE}-medformer`, kind: 'Issuer' });
    const mounted = podOf(find(manifests, 'Deployment', 'encoder')).volumes.find(
      ({ name }: Manifest) => name === 'tls',
    );
    expect(mounted.secret.secretName).toBe(certificate.spec.secretName);
    expect(find(manifests, 'Certificate', 'client').spec.usages).toContain('client auth');
  });

  it("takes the platform's issuer, or a Secret of one's own", async () => {
    const issued = await over({ tls: { certManager: { issuer: 'platform' } } });
    expect(find(issued, 'Certificate', 'encoder').spec.issuerRef).toEqual({
      name: 'platform',
      kind: 'ClusterIssuer',
    });
    expect(ofKind(issued, 'Issuer')).toEqual([]);
    const own = await render({}, 'mig');
    expect(ofKind(own, 'Certificate')).toEqual([]);
    expect(await refusal({ ...NEEDED, tls: { source: 'secret' } })).toContain('tls.existingSecret is needed');
  });

  it('is said out loud to be missing when it is', async () => {
    expect(settingsOf(await render({}, 'trial'), 'encoder').allowInsecure).toBe(true);
    expect(settingsOf(await over({}), 'encoder')).not.toHaveProperty('allowInsecure');
  });

  it('lets callers without a certificate in when told', async () => {
    const manifests = await over({ tls: { clientCertificates: false } });
    expect(settingsOf(manifests, 'encoder')).not.toHaveProperty('tlsClientCaFile');
  });

  it('goes with tokens, of a Secret or of an identity provider', async () => {
    const manifests = await over({
      auth: {
        tokensSecret: 'tokens',
        jwt: { jwksUrl: 'https://id/keys', issuer: 'https://id', audience: 'm' },
      },
    });
    expect(settingsOf(manifests, 'trainer')).toMatchObject({
      authTokensFile: '/etc/medformer/auth/tokens.yaml',
      authJwksUrl: 'https://id/keys',
      authIssuer: 'https://id',
      authAudience: 'm',
    });
    const file = await over({
      auth: { jwt: { jwksConfigMap: 'keys', issuer: 'https://id', audience: 'm' } },
    });
    expect(settingsOf(file, 'trainer')).toMatchObject({ authJwksFile: '/etc/medformer/jwks/jwks.json' });
    expect(podOf(find(file, 'Deployment', 'trainer')).volumes).toContainEqual({
      name: 'jwks',
      configMap: { name: 'keys' },
    });
    expect(await refusal({ ...NEEDED, auth: { jwt: { jwksUrl: 'https://id/keys' } } })).toContain(
      'auth.jwt.issuer is needed',
    );
  });
});

describe('the network', () => {
  it('carries nothing but the pairs of the table', async () => {
    const manifests = await over({});
    const policies = ofKind(manifests, 'NetworkPolicy');
    expect(find(manifests, 'NetworkPolicy', 'deny-all').spec).toEqual({
      podSelector: {
        matchLabels: { 'app.kubernetes.io/name': 'medformer', 'app.kubernetes.io/instance': RELEASE },
      },
      policyTypes: ['Ingress', 'Egress'],
    });
    const names = policies.map(({ metadata }) => metadata.name.replace(`${RELEASE}-medformer-`, '')).sort();
    const pairs = STAGES.flatMap((stage) => [
      `${stage}-from-clients`,
      `${stage}-from-prometheus`,
      `${stage}-to-dns`,
      `${stage}-to-object-store`,
    ]);
    expect(names).toEqual(
      [...pairs, 'deny-all', 'encoder-from-test', 'test-to-dns', 'test-to-encoder'].sort(),
    );
  });

  it('lets a caller in at the port of its pair, and out to the same', async () => {
    const manifests = await over({});
    const encoder = {
      matchLabels: find(manifests, 'Deployment', 'encoder').spec.selector.matchLabels,
    };
    const test = { matchLabels: { ...encoder.matchLabels, 'app.kubernetes.io/component': 'test' } };
    expect(find(manifests, 'NetworkPolicy', 'encoder-from-test').spec).toEqual({
      podSelector: encoder,
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: test }], ports: [{ port: 'grpc' }] }],
    });
    expect(find(manifests, 'NetworkPolicy', 'test-to-encoder').spec).toEqual({
      podSelector: test,
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: encoder }], ports: [{ port: 'grpc' }] }],
    });
  });

  it('has both ends of the way to a MinIO of its own', async () => {
    const manifests = await render({}, 'trial');
    expect(find(manifests, 'NetworkPolicy', 'object-store-from-encoder').spec.ingress[0].ports).toEqual([
      { port: 443 },
      { port: 9000 },
    ]);
    expect(find(manifests, 'NetworkPolicy', 'encoder-to-object-store').spec.egress[0].to).toEqual([
      { podSelector: find(manifests, 'NetworkPolicy', 'object-store-from-encoder').spec.podSelector },
    ]);
  });

  it('takes pairs and peers away or on by values', async () => {
    const manifests = await over({
      networkPolicy: {
        allow: { clients: { ingestion: null }, encoder: { gateway: 'grpc' } },
        peers: { gateway: [{ ipBlock: { cidr: '10.1.0.0/16' } }] },
      },
    });
    const names = ofKind(manifests, 'NetworkPolicy').map(({ metadata }) => metadata.name);
    expect(names).not.toContain(`${RELEASE}-medformer-ingestion-from-clients`);
    expect(find(manifests, 'NetworkPolicy', 'encoder-to-gateway').spec.egress[0].to).toEqual([
      { ipBlock: { cidr: '10.1.0.0/16' } },
    ]);
    expect(ofKind(await over({ networkPolicy: { enabled: false } }), 'NetworkPolicy')).toEqual([]);
  });

  it('refuses a pair at a port, or with an end, that nothing explains', async () => {
    const refused = (allow: object) => refusal({ ...NEEDED, networkPolicy: { allow } });
    expect(await refused({ encoder: { dns: 'domain' } })).toContain('networkPolicy.ports has no domain');
    expect(await refused({ encoder: { objectstore: 's3' } })).toContain(
      'objectstore is neither a component nor one of networkPolicy.peers',
    );
  });
});

describe('a trainer that trains in its own pod', () => {
  it('is alone, and stops before its successor starts', async () => {
    const { replicas, strategy } = find(await over({}), 'Deployment', 'trainer').spec;
    expect({ replicas, strategy }).toEqual({ replicas: 1, strategy: { type: 'Recreate' } });
    expect(await refusal({ ...NEEDED, trainer: { replicas: 2 } })).toContain(
      'more than 1 needs trainer.jobs.enabled',
    );
  });
});

describe('training in jobs', () => {
  const jobs = (values: object = {}) => over({ trainer: { jobs: { enabled: true, ...values } } });
  const templateIn = (manifests: Manifest[]) => jobsIn(find(manifests, 'ConfigMap', 'trainer-job'))[0];

  it('lets several of trainer control run, and rolls them without a gap unless told otherwise', async () => {
    const specOf = async (values: object) =>
      find(await over({ trainer: { jobs: { enabled: true }, ...values } }), 'Deployment', 'trainer').spec;
    const { replicas, strategy } = await specOf({ replicas: 3 });
    expect(replicas).toBe(3);
    expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    expect((await specOf({ strategy: 'Recreate' })).strategy).toEqual({ type: 'Recreate' });
  });

  it('gives trainer control a template and a token that may do little more than make jobs', async () => {
    const manifests = await jobs();
    const control = find(manifests, 'Deployment', 'trainer');
    expect(podOf(control).automountServiceAccountToken).toBe(true);
    expect(containerOf(control).env).toContainEqual({
      name: 'MEDFORMER_TRAINER_JOB_TEMPLATE',
      value: '/etc/medformer/trainer-job/job.yaml',
    });
    expect(find(manifests, 'NetworkPolicy', 'trainer-to-kubernetes-api').spec.policyTypes).toEqual([
      'Egress',
    ]);
    const mounted = podOf(control).volumes.find(({ name }: Manifest) => name === 'trainer-job');
    expect(mounted.configMap.name).toBe(find(manifests, 'ConfigMap', 'trainer-job').metadata.name);
    expect(find(manifests, 'Role', 'trainer').rules).toEqual([
      {
        apiGroups: ['batch'],
        resources: ['jobs'],
        verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
      },
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
      { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['get', 'create'] },
    ]);
    expect(find(manifests, 'RoleBinding', 'trainer').subjects).toEqual([
      { kind: 'ServiceAccount', name: `${RELEASE}-medformer-trainer`, namespace: 'medformer' },
    ]);
    for (const stage of STAGES.filter((each) => each !== 'trainer'))
      expect(podOf(find(manifests, 'Deployment', stage)).automountServiceAccountToken).toBe(false);
  });

  it('gives nobody a token, a role or a template when it is off', async () => {
    const manifests = await over({});
    expect(ofKind(manifests, 'Role')).toEqual([]);
    expect(podOf(find(manifests, 'Deployment', 'trainer')).automountServiceAccountToken).toBe(false);
    expect(JSON.stringify(manifests)).not.toContain('trainer-job');
  });

  it('asks for GPUs, survives disruptions, and replaces a pod only once it is gone', async () => {
    const job = templateIn(
      await jobs({ gpu: { count: 4 }, queue: 'research', priorityClassName: 'training' }),
    );
    expect(job.metadata.labels['kueue.x-k8s.io/queue-name']).toBe('research');
    expect(job.spec).toMatchObject({
      completionMode: 'Indexed',
      suspend: true,
      backoffLimit: 3,
      activeDeadlineSeconds: 604800,
      ttlSecondsAfterFinished: 86400,
      podReplacementPolicy: 'Failed',
    });
    expect(job.spec.podFailurePolicy.rules).toContainEqual({
      action: 'Ignore',
      onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }],
    });
    const pod = job.spec.template.spec;
    expect(pod).toMatchObject({
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 120,
      priorityClassName: 'training',
      automountServiceAccountToken: false,
      subdomain: `${RELEASE}-medformer-trainer-job`,
    });
    expect(pod.containers[0].resources.limits['nvidia.com/gpu']).toBe('4');
    expect(pod.tolerations).toContainEqual({
      key: 'nvidia.com/gpu',
      operator: 'Exists',
      effect: 'NoSchedule',
    });
  });

  it('is not suspended without a queue that would admit it', async () => {
    const job = templateIn(await jobs({ activeDeadlineSeconds: null }));
    expect(job.spec).not.toHaveProperty('suspend');
    expect(job.spec).not.toHaveProperty('activeDeadlineSeconds');
  });

  it("keeps TensorFlow's port to the pods of one job", async () => {
    const manifests = await jobs();
    const [job, policy] = jobsIn(find(manifests, 'ConfigMap', 'trainer-job'));
    const { 'batch.kubernetes.io/job-name': name, ...labels } = policy.spec.podSelector.matchLabels;
    expect(name).toBe('');
    expect(job.spec.template.metadata.labels).toMatchObject(labels);
    expect(policy.spec.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(policy.spec.ingress).toEqual([
      { from: [{ podSelector: policy.spec.podSelector }], ports: [{ port: 'collective' }] },
    ]);
    expect(policy.spec.egress).toEqual([
      { to: [{ podSelector: policy.spec.podSelector }], ports: [{ port: 'collective' }] },
    ]);
    const { spec } = find(manifests, 'NetworkPolicy', 'trainer-job-collective');
    const trainers = { podSelector: { matchLabels: labels } };
    expect(spec).toMatchObject({ ...trainers, policyTypes: ['Ingress'] });
    expect(spec.ingress).toEqual([{ from: [trainers], ports: [{ port: 'collective' }] }]);
    const between = ofKind(manifests, 'NetworkPolicy').filter(({ metadata }) =>
      /trainer-job-(from|to)-trainer-job$/.test(metadata.name),
    );
    expect(between).toEqual([]);
  });
});

describe('monitoring', () => {
  const monitoring = {
    labels: { release: 'prometheus' },
    serviceMonitor: { enabled: true },
    podMonitor: { enabled: true },
    rules: { enabled: true },
    dashboards: { enabled: true },
  };

  it('is off by default', async () => {
    const manifests = await over({});
    for (const kind of ['ServiceMonitor', 'PodMonitor', 'PrometheusRule'])
      expect(ofKind(manifests, kind)).toEqual([]);
  });

  it('scrapes the metrics port of every stage once', async () => {
    const manifests = await over({ monitoring, trainer: { jobs: { enabled: true } } });
    for (const stage of STAGES) {
      const { spec, metadata } = find(manifests, 'ServiceMonitor', stage);
      expect(metadata.labels.release).toBe('prometheus');
      const selected = ofKind(manifests, 'Service').filter(({ metadata }) =>
        Object.entries(spec.selector.matchLabels).every(([label, value]) => metadata.labels[label] === value),
      );
      expect(selected.map(({ metadata }) => metadata.name)).toEqual([
        `${RELEASE}-medformer-${stage}-headless`,
      ]);
      expect(selected[0].spec.ports.map(({ name }: Manifest) => name)).toContain(spec.endpoints[0].port);
    }
    const { spec } = find(manifests, 'PodMonitor', 'trainer-job');
    const template = jobsIn(find(manifests, 'ConfigMap', 'trainer-job'))[0].spec.template;
    expect(template.metadata.labels).toMatchObject(spec.selector.matchLabels);
  });
});

describe('dashboards and alerts', () => {
  const files = (folder: string) => readdirSync(join(CHART, 'files', folder));

  it('are carried as they are, each under the name of its file', async () => {
    const manifests = await over({
      monitoring: { rules: { enabled: true }, dashboards: { enabled: true, labels: { grafana: 'x' } } },
    });
    for (const file of files('dashboards')) {
      const { data, metadata } = find(manifests, 'ConfigMap', `dashboard-${file.replace('.json', '')}`);
      expect(metadata.labels.grafana).toBe('x');
      expect(data[file]).toBe(readFileSync(join(CHART, 'files/dashboards', file), 'utf8'));
    }
    for (const file of files('rules')) {
      const { spec } = find(manifests, 'PrometheusRule', file.replace('.yaml', ''));
      expect(spec).toEqual(parse(readFileSync(join(CHART, 'files/rules', file), 'utf8')));
    }
    expect(files('dashboards').length * files('rules').length).toBeGreaterThan(0);
  });
});

describe('helm test', () => {
  it('encodes a real image by the command that users have, as a caller that the policies let in', async () => {
    const manifests = await over({});
    const pod = find(manifests, 'Pod', 'test-encode');
    expect(pod.metadata.annotations['helm.sh/hook']).toBe('test');
    const [container] = pod.spec.containers;
    expect([...container.command, ...container.args].join(' ')).toBe(
      'node cli/bin/medformer.js encode /etc/medformer/test/image.png --modality xray --body-part chest --json',
    );
    expect(container.env).toContainEqual({
      name: 'MEDFORMER_ENCODER_ADDRESS',
      value: `${RELEASE}-medformer-encoder:50050`,
    });
    expect(container.env.map(({ name }: Manifest) => name)).toContain('MEDFORMER_TLS_KEY_FILE');
    const image = Buffer.from(find(manifests, 'ConfigMap', 'test').binaryData['image.png'], 'base64');
    expect(image.subarray(1, 4).toString()).toBe('PNG');
    expect(find(manifests, 'NetworkPolicy', 'encoder-from-test').spec.policyTypes).toEqual(['Ingress']);
  });

  it('needs no certificate where there is none, and brings a token where one is asked for', async () => {
    const plain = find(await render({ tests: { tokenSecret: 'token' } }, 'trial'), 'Pod', 'test-encode');
    expect(JSON.stringify(plain)).not.toContain('TLS');
    expect(plain.spec.containers[0].env).toContainEqual({
      name: 'MEDFORMER_TOKEN_FILE',
      value: '/etc/medformer/auth/token',
    });
  });
});

describe('the key of the pseudonyms', () => {
  it('is drawn once and outlives the release, or is the platform’s', async () => {
    const manifests = await over({});
    const secret = find(manifests, 'Secret', 'pseudonym-key');
    expect(secret.metadata.annotations['helm.sh/resource-policy']).toBe('keep');
    const own = await over({ ingestion: { pseudonymKeySecret: 'mine' } });
    expect(ofKind(own, 'Secret')).toEqual([]);
    expect(containerOf(find(own, 'Deployment', 'ingestion')).env).toContainEqual({
      name: 'MEDFORMER_PSEUDONYM_KEY',
      valueFrom: { secretKeyRef: { name: 'mine', key: 'pseudonymKey' } },
    });
  });
});
