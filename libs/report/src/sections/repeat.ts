import { canonicalJson } from '@medformer/schema';
import { type Html, html } from '../html.js';
import type { ReportInput } from '../report-input.js';

export function repeat({ hash, report }: ReportInput): Html {
  const spec = JSON.stringify(JSON.parse(canonicalJson(report.spec)), null, 2);
  return html`<section id="repeat" aria-labelledby="repeat-heading">
    <h2 id="repeat-heading">How to repeat it</h2>
    <p>Save the specification below as <code>evaluation.yaml</code> (JSON is YAML) and run it against a service that holds the same artefacts. Equal requests find this report again; another code version computes it anew.</p>
    <pre><code>medformer evaluate evaluation.yaml
medformer report html ${hash} -o report.html</code></pre>
    <details><summary>evaluation.yaml</summary><pre><code>${spec}</code></pre></details>
    <h3>What the scores mean</h3>
    <ul>
      <li><strong>AUC</strong>: unweighted mean of the one-vs-rest areas under the ROC curve (MedMNIST’s convention; binary tasks: the last column). <strong>ACC</strong>: the largest score is right; binary tasks: strictly above 0.5.</li>
      <li><strong>Linear probe</strong>: frozen embeddings standardised by training statistics, multinomial logistic regression, the penalty chosen by cross-validation on the training labels alone.</li>
      <li><strong>kNN</strong>: embeddings standardised likewise, the 20 nearest training ones by cosine similarity, votes weighted by exp(similarity / 0.07).</li>
      <li><strong>Supervised</strong>: the network’s own head, trained with labels; one checkpoint per seed.</li>
      <li><strong>±</strong> is the sample standard deviation over seeds (drawn labels and, for supervised rows, runs), not a confidence interval over patients.</li>
    </ul>
  </section>`;
}
