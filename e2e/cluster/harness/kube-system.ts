import type { Manifest } from '../../src/harness/chart.js';

const NAMESPACE = 'kube-system';
const READ = ['get', 'list', 'watch'];

/** What a cluster runs for its pods: CoreDNS, and an agent that enforces NetworkPolicy objects on each node. */
export function kubeSystem(image: string, dnsAddress: string): Manifest[] {
  return [
    ...readerOf('coredns', [
      { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: READ },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: READ },
    ]),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'coredns', namespace: NAMESPACE },
      data: { Corefile: COREFILE },
    },
    workload(
      'Deployment',
      'coredns',
      { 'k8s-app': 'kube-dns' },
      {
        containers: [
          {
            name: 'coredns',
            image,
            args: ['dns', '-conf', '/etc/coredns/Corefile'],
            readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
            volumeMounts: [{ name: 'config', mountPath: '/etc/coredns' }],
          },
        ],
        volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
      },
    ),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace: NAMESPACE },
      spec: {
        clusterIP: dnsAddress,
        selector: { 'k8s-app': 'kube-dns' },
        ports: ['UDP', 'TCP'].map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol })),
      },
    },
    ...readerOf('network-policies', [
      { apiGroups: [''], resources: ['pods', 'namespaces'], verbs: READ },
      { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: READ },
    ]),
    workload(
      'DaemonSet',
      'network-policies',
      { 'k8s-app': 'network-policies' },
      {
        hostNetwork: true,
        containers: [
          {
            name: 'network-policies',
            image,
            args: ['network-policies', '$(NODE)'],
            env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
            securityContext: { capabilities: { add: ['NET_ADMIN'] } },
          },
        ],
      },
    ),
  ];
}

const COREFILE = `.:53 {
  errors
  ready
  kubernetes cluster.local in-addr.arpa {
    ttl 5
  }
}
`;

function workload(kind: string, name: string, labels: Record<string, string>, pod: Manifest): Manifest {
  const spec = { serviceAccountName: name, tolerations: [{ operator: 'Exists' }], ...pod };
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

function readerOf(name: string, rules: Manifest[]): Manifest[] {
  const [group, kind] = ['rbac.authorization.k8s.io', 'ClusterRole'];
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: NAMESPACE } },
    { apiVersion: `${group}/v1`, kind, metadata: { name }, rules },
    {
      apiVersion: `${group}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: group, kind, name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: NAMESPACE }],
    },
  ];
}
