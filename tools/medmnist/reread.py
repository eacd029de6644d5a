"""Has medmnist's own evaluator read result files again and compares with the metrics in results.json to 1e-6.

    /tmp/golden/bin/python tools/medmnist/reread.py ROOT OUTPUT

ROOT has the npz files, OUTPUT is what `medformer benchmark medmnist -o OUTPUT` wrote. Installation: tools/golden/metrics.py.
medmnist takes labels from a default root of its own and writes its reading beside the file; both are pointed elsewhere.
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "golden"))
from medmnist_parts import evaluator  # noqa: E402


NUMBER = re.compile(r"(?<=\])\d\.\d{3}")


def alike(name, other):
    """Equal names but for the last digit: a metric of 0.8395 is a tie that the last bit of a double decides."""
    pairs = zip(NUMBER.findall(name), NUMBER.findall(other), strict=True)
    return NUMBER.sub("", name) == NUMBER.sub("", other) and all(abs(float(x) - float(y)) < 0.0011 for x, y in pairs)


def main(root, output):
    evaluator.Evaluator.__init__.__defaults__ = (None, root)
    worst = files = 0
    for result in json.loads((pathlib.Path(output) / "results.json").read_text()):
        for path in sorted((pathlib.Path(output) / result["flag"]).glob("*.csv")):
            at, seed = re.search(r"@(\d+)-.*-seed-(-?\d+)\.csv$", path.name).groups()
            row, seed = result["rows"][int(at)], result["seeds"].index(int(seed))
            with tempfile.TemporaryDirectory() as folder:
                metrics = evaluator.Evaluator.parse_and_evaluate(shutil.copy(path, folder), run="again")
                (again,) = pathlib.Path(folder).glob("*@again.csv")
                assert alike(again.name.split("@")[0], path.name.split("@")[0]), (again.name, path.name)
                assert again.read_bytes() == path.read_bytes(), path.name
            for found, told in ((metrics.AUC, row["auc"]), (metrics.ACC, row["accuracy"])):
                worst = max(worst, abs(found - told["values"][seed]))
            files += 1
    print(f"{files} result files read again by medmnist, byte for byte; largest difference of a metric {worst:.1e}")
    assert files > 0 and worst < 1e-6


main(*sys.argv[1:])
