"""Writes libs/evaluators/golden/medmnist.json: result files as medmnist itself writes them, of archives made here in the
form of its sets, and the metrics that it reads back from them. Versions and installation: tools/golden/metrics.py.

    /tmp/golden/bin/python tools/golden/medmnist.py
"""

import json
import pathlib
import tempfile

import numpy as np
from medmnist_parts import evaluator, info

RANDOM = np.random.default_rng(28)
OUT = pathlib.Path(__file__).parents[2] / "libs/evaluators/golden/medmnist.json"
KINDS = {
    "multi-class": "multi-class",
    "binary-class": "binary",
    "multi-label, binary-class": "multi-label",
    "ordinal-regression": "ordinal",
}


def archive(flag, images, root, size):
    """The archive's labels; the evaluator reads nothing else."""
    task, classes = info.INFO[flag]["task"], len(info.INFO[flag]["label"])
    if task == "multi-label, binary-class":
        labels = (RANDOM.random((images, classes)) < 0.3).astype(np.uint8)
        labels[:2] = [[1], [0]] * np.ones(classes, np.uint8)
    else:
        labels = RANDOM.permutation(np.arange(images) % classes).astype(np.uint8)[:, None]
    suffix = "" if size == 28 else f"_{size}"
    np.savez(pathlib.Path(root) / f"{flag}{suffix}.npz", test_labels=labels)
    return task, labels, classes


def case(flag, images, root, size=28, decimals=None):
    task, labels, classes = archive(flag, images, root, size)
    flags = labels if labels.shape[1] > 1 else np.eye(classes)[labels[:, 0]]
    logits = RANDOM.normal(size=flags.shape) * 4 + 3 * flags - 1.5
    if task == "multi-label, binary-class":
        scores = 1 / (1 + np.exp(-logits))
    else:
        scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if decimals is not None:
        scores = scores.round(decimals)
    scores = scores.astype(np.float32).astype(float)  # as scores are stored
    evaluator.DEFAULT_ROOT = root
    judge = evaluator.Evaluator(flag, "test", size=size, root=root)
    metrics = judge.evaluate(scores, root, "seed-0")
    (path,) = pathlib.Path(root).glob(f"{flag}*@seed-0.csv")
    text = path.read_text()
    return {
        "name": path.name,
        "flag": flag,
        "size": size,
        "kind": KINDS[task],
        "labels": labels.tolist() if labels.shape[1] > 1 else labels[:, 0].tolist(),
        "scores": scores.tolist(),
        "csv": text,
        "auc": float(metrics.AUC),
        "accuracy": float(metrics.ACC),
    }


def main():
    cases = []
    for flag, images, size, decimals in [
        ("bloodmnist", 40, 28, None),
        ("pneumoniamnist", 16, 28, 1),
        ("chestmnist", 24, 64, None),
        ("retinamnist", 25, 224, 2),
        ("organmnist3d", 33, 64, None),
    ]:
        with tempfile.TemporaryDirectory() as root:
            cases.append(case(flag, images, root, size, decimals))
    rounding = [{"value": v, "text": f"{v:.3f}"} for v in (0.8125, 0.6875, 0.5, 1.0, 0.0625, 0.9995, 0.0005, 2 / 3, 0.9375, 0.1235)]
    OUT.write_text(
        json.dumps(
            {"source": "medmnist 3.0.2, tools/golden/medmnist.py", "files": cases, "rounding": rounding},
            separators=(",", ":"),
        )
        + "\n"
    )


main()
