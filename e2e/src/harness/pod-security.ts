import type { Manifest } from './chart.js';

/**
 * What of a pod the Pod Security Standard `restricted` (and `baseline`, which it contains) forbids, each control of
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/ in its order; beside it, what this project asks
 * for itself: a read-only root file system and no token that nobody uses.
 */
export function violationsOf(pod: Manifest): string[] {
  const found: string[] = [];
  const forbid = (control: string, broken: boolean) => void (broken && found.push(control));
  const context = pod.securityContext ?? {};
  const containers: Manifest[] = [
    ...(pod.containers ?? []),
    ...(pod.initContainers ?? []),
    ...(pod.ephemeralContainers ?? []),
  ];
  // Baseline.
  forbid('HostProcess', context.windowsOptions?.hostProcess === true);
  for (const namespace of ['hostNetwork', 'hostPID', 'hostIPC']) forbid(namespace, pod[namespace] === true);
  forbid(
    'sysctls',
    (context.sysctls ?? []).some((each: Manifest) => !SAFE_SYSCTLS.has(each.name)),
  );
  forbid('AppArmor', UNCONFINED.has(context.appArmorProfile?.type));
  forbid('SELinux', !selinuxAllowed(context.seLinuxOptions));
  // Restricted.
  forbid(
    'volume types',
    (pod.volumes ?? []).some((volume: Manifest) => !volumeAllowed(volume)),
  );
  forbid('runAsNonRoot', context.runAsNonRoot !== true);
  forbid('runAsUser', context.runAsUser === 0);
  forbid('seccomp', !PROFILES.has(context.seccompProfile?.type));
  for (const container of containers) {
    const own = container.securityContext ?? {};
    const say = (control: string, broken: boolean) => forbid(`${container.name}: ${control}`, broken);
    say('HostProcess', own.windowsOptions?.hostProcess === true);
    say('privileged', own.privileged === true);
    say(
      'hostPort',
      (container.ports ?? []).some((port: Manifest) => (port.hostPort ?? 0) !== 0),
    );
    say('procMount', (own.procMount ?? 'Default') !== 'Default');
    say('AppArmor', UNCONFINED.has(own.appArmorProfile?.type));
    say('SELinux', !selinuxAllowed(own.seLinuxOptions));
    say('seccomp', own.seccompProfile !== undefined && !PROFILES.has(own.seccompProfile.type));
    say('allowPrivilegeEscalation', own.allowPrivilegeEscalation !== false);
    say('runAsNonRoot', own.runAsNonRoot === false);
    say('runAsUser', own.runAsUser === 0);
    say('capabilities dropped', !(own.capabilities?.drop ?? []).includes('ALL'));
    say(
      'capabilities added',
      (own.capabilities?.add ?? []).some((each: string) => each !== 'NET_BIND_SERVICE'),
    );
    for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'])
      say(`${probe} host`, Boolean(container[probe]?.httpGet?.host ?? container[probe]?.tcpSocket?.host));
    for (const hook of ['postStart', 'preStop'])
      say(`${hook} host`, Boolean(container.lifecycle?.[hook]?.httpGet?.host));
    say('root file system', own.readOnlyRootFilesystem !== true);
  }
  return found;
}

const PROFILES = new Set(['RuntimeDefault', 'Localhost']);
const UNCONFINED = new Set(['Unconfined']);
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
]);
const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
const SELINUX_TYPES = new Set([
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
]);

const volumeAllowed = (volume: Manifest) =>
  Object.keys(volume).every((key) => key === 'name' || VOLUMES.includes(key));

const selinuxAllowed = (options: Manifest) =>
  !options || (SELINUX_TYPES.has(options.type ?? '') && !options.user && !options.role);
