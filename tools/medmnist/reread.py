"""Has medmnist's own evaluator read result files again and compares with the metrics in results.json to 1e-6.

    /tmp/golden/bin/python tools/medmnist/reread.py ROOT OUTPUT

ROOT has the npz files, OUTPUT is what `medformer benchmark medmnist -o OUTPUT` wrote. Installation: tools/golden/metrics.py.
medmnist takes labels from a default root of its own and writes its reading beside the file; both are pointed elsewhere.
"""

import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "golden"))
from medmnist_parts import evaluator  # noqa: E402


def main(root, output):
    evaluator.Evaluator.__init__.__defaults__ = (None, root)
    worst = files = 0
    for result in json.loads((pathlib.Path(output) / "results.json").read_text()):
        names = sorted(path.name for path in (pathlib.Path(output) / result["flag"]).glob("*.csv"))
        for at, row in enumerate(result["rows"]):
            for path in [name for name in names if f"@{at}-" in name]:
                seed = row["auc"]["values"][[n for n in names if f"@{at}-" in n].index(path)]
                with tempfile.TemporaryDirectory() as folder:
                    copy = shutil.copy(pathlib.Path(output) / result["flag"] / path, folder)
                    metrics = evaluator.Evaluator.parse_and_evaluate(copy, run="again")
                    (again,) = pathlib.Path(folder).glob("*@again.csv")
                    assert again.name.split("@")[0] == path.split("@")[0], (again.name, path)
                    assert again.read_bytes() == (pathlib.Path(output) / result["flag"] / path).read_bytes(), path
                accuracy = row["accuracy"]["values"][[n for n in names if f"@{at}-" in n].index(path)]
                worst = max(worst, abs(metrics.AUC - seed), abs(metrics.ACC - accuracy))
                files += 1
    print(f"{files} result files read again by medmnist, byte for byte; largest difference of a metric {worst:.1e}")
    assert files > 0 and worst < 1e-6


main(*sys.argv[1:])
