import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { data } from './data.js';
import { encoder } from './encoder.js';
import { platform } from './platform.js';
import { training } from './training.js';

/** Every dashboard by the name of its file. */
export const dashboards: Readonly<Record<string, Dashboard>> = { platform, training, encoder, data };

/** The PromQL of a dashboard's panels, each with its panel's title. */
export function expressionsOf({ panels = [] }: Dashboard): { panel: string; expression: string }[] {
  return panels.flatMap((panel) => {
    const targets = 'targets' in panel ? (panel.targets ?? []) : [];
    return targets.map((target) => ({
      panel: String(panel.title),
      expression: (target as unknown as { expr: string }).expr,
    }));
  });
}
