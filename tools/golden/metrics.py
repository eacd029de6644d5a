"""Writes libs/evaluators/golden/metrics.json: what scikit-learn and numpy say, for the specs of libs/evaluators.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install scikit-learn==1.9.1
    /tmp/golden/bin/python tools/golden/metrics.py
"""

import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, roc_auc_score, top_k_accuracy_score
from sklearn.preprocessing import StandardScaler

RANDOM = np.random.default_rng(20240611)
OUT = pathlib.Path(__file__).parents[2] / "libs/evaluators/golden/metrics.json"


def softmax(logits):
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def multi_class_auc(scores, labels):
    """medmnist.evaluator.getAUC, leaving out a class that the labels lack."""
    present = [c for c in range(scores.shape[1]) if 0 < (labels == c).sum() < len(labels)]
    return float(np.mean([roc_auc_score(labels == c, scores[:, c]) for c in present]))


def multi_class(name, images, classes, decimals=None, absent=None, constant=False):
    labels = RANDOM.integers(classes, size=images)
    if absent is not None:
        labels[labels == absent] = (absent + 1) % classes
    logits = RANDOM.normal(size=(images, classes)) + 1.2 * np.eye(classes)[labels]
    scores = np.full((images, classes), 1 / classes) if constant else softmax(logits)
    if decimals is not None:
        scores = scores.round(decimals)
    golden = {
        "name": name,
        "kind": "multi-class",
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "auc": multi_class_auc(scores, labels),
        "accuracy": float(accuracy_score(labels, scores.argmax(1))),
        "confusion": confusion_matrix(labels, scores.argmax(1), labels=range(classes)).tolist(),
    }
    if decimals is None and not constant:  # scikit-learn breaks ties the other way round
        golden["topK"] = {
            str(k): float(top_k_accuracy_score(labels, scores, k=k, labels=range(classes))) for k in (1, 2, 3)
        }
    return golden


def binary(name, images, decimals=None):
    labels = RANDOM.integers(2, size=images)
    positive = 1 / (1 + np.exp(-(RANDOM.normal(size=images) + labels - 0.5)))
    if decimals is not None:
        positive = positive.round(decimals)
    return {
        "name": name,
        "kind": "binary",
        "scores": np.stack([1 - positive, positive], 1).tolist(),
        "labels": labels.tolist(),
        "auc": float(roc_auc_score(labels, positive)),
        "accuracy": float(accuracy_score(labels, positive > 0.5)),
    }


def multi_label(name, images, labels_count, decimals=None):
    labels = (RANDOM.random((images, labels_count)) < 0.3).astype(int)
    scores = 1 / (1 + np.exp(-(RANDOM.normal(size=labels.shape) + 2 * labels - 1)))
    if decimals is not None:
        scores = scores.round(decimals)
    return {
        "name": name,
        "kind": "multi-label",
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        "auc": float(np.mean([roc_auc_score(labels[:, c], scores[:, c]) for c in range(labels_count)])),
        "accuracy": float(np.mean([accuracy_score(labels[:, c], scores[:, c] > 0.5) for c in range(labels_count)])),
    }


def logistic(name, images, width, classes, c):
    labels = np.arange(images) % classes
    centres = RANDOM.normal(size=(classes, width))
    features = RANDOM.normal(size=(images, width)) * RANDOM.uniform(0.1, 10, width) + centres[labels] + 5
    features[:, 0] = 3.25  # a constant column must not divide by zero
    test = RANDOM.normal(size=(8, width)) + 5
    test[:, 0] = 3.25
    features, test = features.round(4), test.round(4)
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(scaler.transform(features), labels)
    probabilities = model.predict_proba(scaler.transform(features))
    return {
        "name": name,
        "classes": classes,
        "c": c,
        "features": features.tolist(),
        "labels": labels.tolist(),
        "test": test.tolist(),
        "testProbabilities": model.predict_proba(scaler.transform(test)).tolist(),
        "trainLogLoss": float(log_loss(labels, probabilities)),
    }


def embeddings(name, images, width, rank):
    values = RANDOM.normal(size=(images, rank)) @ RANDOM.normal(size=(rank, width))
    values = values.astype(np.float32).astype(float)
    singular = np.linalg.svd(values, compute_uv=False)
    share = singular / singular.sum()
    share = share[share > 1e-12]
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return {
        "name": name,
        "values": values.tolist(),
        "effectiveRank": float(np.exp(-(share * np.log(share)).sum())),
        "std": float(unit.std(0).mean() * np.sqrt(width)),
    }


def main():
    warnings.simplefilter("error")
    golden = {
        "source": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, tools/golden/metrics.py",
        "metrics": [
            multi_class("five classes", 80, 5),
            multi_class("ties", 60, 4, decimals=1),
            multi_class("a class without images", 50, 6, absent=2),
            multi_class("constant scores", 30, 3, constant=True),
            binary("binary", 60),
            binary("binary with ties", 60, decimals=1),
            multi_label("multi-label", 50, 4),
            multi_label("multi-label with ties", 50, 3, decimals=1),
        ],
        "logistic": [
            logistic("four classes", 60, 6, 4, 1.0),
            logistic("four classes, strong penalty", 60, 6, 4, 0.01),
            logistic("two classes", 40, 5, 2, 0.5),
            logistic("more features than rows", 24, 30, 3, 0.1),
        ],
        "embeddings": [embeddings("full rank", 40, 6, 6), embeddings("rank three", 40, 8, 3)],
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
