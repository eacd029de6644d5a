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
  const intro = value.children.length > 0 ? `${value.meaning}${inherited(value)}\n` : '';
  return `## ${value.key}\n${intro}\n| value | default | meaning |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function inherited({ annotation: { from, keys } }) {
  if (!from) return '';
  return keys
    ? ` Of \`defaults\` may stand here: ${keys.join(', ')}.`
    : ' Every key of `defaults` may stand here.';
}

/** What has no documented values within; and before its own, what takes others from `defaults`. */
function leaves(value) {
  const inside = value.children.flatMap((child) => {
    const isPart = child.annotation.from && child.children.length > 0;
    const heading = { ...child, fallback: '', meaning: child.meaning + inherited(child) };
    return isPart ? [heading, ...leaves(child)] : leaves(child);
  });
  return inside.length === 0 ? [value] : inside;
}

function code(fallback) {
  const text = JSON.stringify(fallback);
  return fallback === '' ? '' : `\`${inCell(text.length > 160 ? '(see values.yaml)' : text)}\``;
}

function inCell(text) {
  return text.replaceAll('|', '\\|');
}
