import { sha256 } from '@medformer/schema';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { Html } from './html.js';

export interface ChartText {
  /** What the chart is, for screen readers and tooltips. */
  title: string;
  /** What it shows, in words. */
  description: string;
}

/**
 * An Observable Plot drawn without a browser, as inline SVG that scales with its container and takes the page's text
 * colour.
 */
export function chart(options: Plot.PlotOptions, { title, description }: ChartText): Html {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const svg = Plot.plot({ ...options, document } as Plot.PlotOptions) as unknown as SvgElement;
  const id = `chart-${sha256(title + description).slice(0, 10)}`;
  const ids = [`${id}-title`, `${id}-desc`] as const;
  const texts = [document.createElement('title'), document.createElement('desc')] as unknown as SvgElement[];
  texts.forEach((element, at) => {
    element.setAttribute('id', ids[at]!);
    element.textContent = [title, description][at]!;
  });
  svg.prepend(...texts);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-labelledby', ids.join(' '));
  return new Html(svg.outerHTML);
}

/** What is used of linkedom's elements; the DOM library's types are not loaded in Node. */
interface SvgElement {
  outerHTML: string;
  textContent: string;
  setAttribute(name: string, value: string): void;
  prepend(...children: SvgElement[]): void;
}
