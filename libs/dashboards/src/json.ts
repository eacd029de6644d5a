import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';

/** A dashboard as the file that Grafana's sidecar reads. */
export function fileOf(dashboard: Dashboard): string {
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}
