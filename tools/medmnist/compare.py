"""Scores folders of MedMNIST result files with medmnist's own evaluator, a folder a model: mean ± std over files of a set.

    /tmp/golden/bin/python tools/medmnist/compare.py ROOT RESULTS

ROOT has the npz files, RESULTS a folder per model. Installation: tools/golden/metrics.py.
"""

import contextlib
import io
import pathlib
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "golden"))
from medmnist_parts import evaluator  # noqa: E402


def scored(path):
    # It prints what it found, and writes it beside the file.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        return evaluator.Evaluator.parse_and_evaluate(shutil.copy(path, folder), run="again")


def shown(values):
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{spread}"


def main(root, results):
    evaluator.Evaluator.__init__.__defaults__ = (None, root)
    models = sorted(path for path in pathlib.Path(results).iterdir() if path.is_dir())
    sets = sorted({path.name.split("_")[0] for model in models for path in model.glob("*.csv")})
    print(f"| AUC / ACC | {' | '.join(sets)} | mean |\n|{'---|' * (len(sets) + 2)}")
    for model in models:
        metrics = {flag: [scored(path) for path in sorted(model.glob(f"{flag}_*.csv"))] for flag in sets}
        cells = [" / ".join(shown([each[at] for each in metrics[flag]]) for at in (0, 1)) for flag in sets]
        means = [statistics.mean(each[at] for flag in sets for each in metrics[flag]) for at in (0, 1)]
        print(f"| {model.name} | {' | '.join(cells)} | {' / '.join(f'{100 * mean:.1f}' for mean in means)} |")


main(*sys.argv[1:])
