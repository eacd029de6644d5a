/**
 * README.md of the chart: how to install it and every value.
 * @param {import('./values.mjs').Value[]} values
 */
export function readmeOf(values) {
  return `# Medformer chart
Made from values.yaml by \`make charts\`; do not edit. Installing, GPUs, security, troubleshooting: \`docs/kubernetes.md\`.

\`\`\`sh
helm install medformer charts/medformer --namespace medformer --create-namespace -f charts/medformer/examples/trial.yaml
\`\`\`

Examples: \`examples/\`. A misspelt value is refused.

${values.map(section).join('\n')}`;
}

function section(value) {
  const rows = leaves(value).map(
    ({ path, fallback, meaning }) => `| \`${path}\` | ${code(fallback)} | ${inCell(meaning)} |`,
  );
  const intro = value.children.length > 0 ? `${value.meaning}${inherited(value)}\n` : `${inherited(value)}\n`;
  const table = rows.length > 0 ? `\n| value | default | meaning |\n|---|---|---|\n${rows.join('\n')}\n` : '';
  return `## ${value.key}\n${value.children.length > 0 || value.annotation.from ? intro : ''}${table}`;
}

function inherited({ annotation }) {
  return annotation.from ? ' Every key of `defaults` may stand here.' : '';
}

function leaves(value) {
  if (value.annotation.from && value.children.length === 0) return [];
  const inside = value.children.flatMap(leaves);
  // A map that is open to any key is a value itself, beside those it documents.
  return inside.length === 0 ? [value] : inside;
}

function code(fallback) {
  const text = JSON.stringify(fallback);
  return fallback === '' ? '' : `\`${inCell(text.length > 160 ? '(see values.yaml)' : text)}\``;
}

function inCell(text) {
  return text.replaceAll('|', '\\|');
}
