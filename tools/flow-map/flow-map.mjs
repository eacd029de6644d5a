/**
 * The picture of the data flow, drawn from what each service's package.json says it reads and writes.
 * @typedef {{ service: string, reads: string[], writes: string[] }} Flow
 */

/** Artefacts that come from or leave to the outside. */
const SOURCES = ['RawImage'];
const SINKS = ['Embedding', 'ScoreReport'];

export const START = '<!-- flow-map: drawn by `make flow-map` from services/*/package.json -->';
export const END = '<!-- flow-map: end -->';

/**
 * Artefacts that nobody writes or nobody reads, one line each.
 * @param {Flow[]} flows
 */
export function findGaps(flows) {
  const written = new Set([...SOURCES, ...flows.flatMap((flow) => flow.writes)]);
  const read = new Set([...SINKS, ...flows.flatMap((flow) => flow.reads)]);
  return [
    ...[...read]
      .filter((artefact) => !written.has(artefact))
      .map((artefact) => `${artefact} is read, but no service writes it`),
    ...[...written]
      .filter((artefact) => !read.has(artefact))
      .map((artefact) => `${artefact} is written, but no service reads it`),
  ];
}

/**
 * A mermaid flowchart: services as boxes, artefacts as rounded nodes.
 * @param {Flow[]} flows
 */
export function drawMermaid(flows) {
  const artefacts = [...new Set(flows.flatMap((flow) => [...flow.reads, ...flow.writes]))];
  const lines = [
    'flowchart LR',
    ...artefacts.map((artefact) => `  ${artefact}([${artefact}])`),
    ...flows.flatMap(({ service, reads, writes }) => [
      `  ${service}[${service}]`,
      ...reads.map((artefact) => `  ${artefact} --> ${service}`),
      ...writes.map((artefact) => `  ${service} --> ${artefact}`),
    ]),
  ];
  return ['```mermaid', ...lines, '```'].join('\n');
}

/**
 * The document with the drawing between its two marks replaced.
 * @param {string} document
 * @param {string} drawing
 */
export function placeDrawing(document, drawing) {
  const start = document.indexOf(START);
  const end = document.indexOf(END);
  if (start < 0 || end < start) throw new Error(`expected the marks "${START}" and "${END}"`);
  return `${document.slice(0, start + START.length)}\n${drawing}\n${document.slice(end)}`;
}
