"""Writes libs/evaluators/golden/metrics.json: what scikit-learn, scipy, numpy and medmnist say, for the specs of
libs/evaluators. Of medmnist only the evaluator runs, which needs no torch.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install scikit-learn==1.9.1 scipy==1.17.1 pandas==3.1.1
    /tmp/golden/bin/pip install --no-deps medmnist==3.0.2
    /tmp/golden/bin/python tools/golden/metrics.py
"""

import json
import pathlib
import warnings

import numpy as np
import scipy.stats
import sklearn
from medmnist_parts import evaluator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
    top_k_accuracy_score,
)
from sklearn.preprocessing import StandardScaler

RANDOM = np.random.default_rng(20240611)
OUT = pathlib.Path(__file__).parents[2] / "libs/evaluators/golden/metrics.json"


def softmax(logits):
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def auc_and_accuracy(scores, labels, task):
    """medmnist's own evaluator; where a class is absent or always there it gives NaN, and these leave it out."""
    labels = np.asarray(labels)
    if task == "multi-label, binary-class":
        columns = [(labels[:, c], scores[:, c]) for c in range(scores.shape[1])]
    elif task == "binary-class":
        columns = [(labels, scores[:, -1])]
    else:
        columns = [((labels == c).astype(int), scores[:, c]) for c in range(scores.shape[1])]
    defined = [column for column in columns if 0 < column[0].sum() < len(column[0])]
    auc = float(np.mean([roc_auc_score(*column) for column in defined]))
    if len(defined) == len(columns):
        assert auc == evaluator.getAUC(labels, scores, task)
    return {"auc": auc, "accuracy": float(evaluator.getACC(labels, scores, task))}


def ece(confidence, right, bins=15):
    """Guo et al. 2017, equation 3, bin by bin."""
    error = 0
    for low, high in zip(np.arange(bins) / bins, np.arange(1, bins + 1) / bins):
        inside = (confidence > low) & (confidence <= high)
        if low == 0:
            inside |= confidence == 0
        if inside.any():
            error += inside.sum() / len(right) * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def class_metrics(scores, labels, predicted, classes, weights=None):
    """What scikit-learn says of one class per image; binary scores are ranked by their last column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is predicted, but absent from the labels
        recall = balanced_accuracy_score(labels, predicted, sample_weight=weights)
    return {
        "f1": f1_score(
            labels, predicted, labels=range(classes), average="macro", zero_division=np.nan, sample_weight=weights
        ),
        "balancedAccuracy": recall,
    }


def per_class(truth, predicted, **classes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = precision_recall_fscore_support(truth, predicted, zero_division=np.nan, **classes)
    return [
        {"images": int(n), "precision": none_if_nan(p), "recall": none_if_nan(r), "f1": none_if_nan(f)}
        for p, r, f, n in zip(*values)
    ]


def none_if_nan(value):
    return None if np.isnan(value) else float(value)


def average_precision(scores, flags, weights=None):
    """The mean over the columns that have positives."""
    weights = np.ones(len(flags)) if weights is None else weights
    return float(
        np.mean(
            [
                average_precision_score(flags[:, c], scores[:, c], sample_weight=weights)
                for c in range(flags.shape[1])
                if (flags[:, c] * weights).sum() > 0
            ]
        )
    )


def resampled(scores, flags, right, predicted, labels):
    """Metrics of one resample with replacement, as scikit-learn gives them for sample weights. Flags are one-hot."""
    counts = np.bincount(RANDOM.integers(len(right), size=len(right)), minlength=len(right))
    defined = [c for c in range(flags.shape[1]) if 0 < (flags[:, c] * counts).sum() < counts.sum()]
    return {
        "counts": counts.tolist(),
        "auc": float(np.mean([roc_auc_score(flags[:, c], scores[:, c], sample_weight=counts) for c in defined])),
        "accuracy": float(np.average(right, weights=counts)),
        "averagePrecision": average_precision(scores, flags, counts),
        **(class_metrics(scores, labels, predicted, scores.shape[1], counts) if labels is not None else {}),
    }


def multi_class(name, images, classes, decimals=None, absent=None, constant=False, kind="multi-class"):
    labels = RANDOM.integers(classes, size=images)
    if absent is not None:
        labels[labels == absent] = (absent + 1) % classes
    logits = RANDOM.normal(size=(images, classes)) + 1.2 * np.eye(classes)[labels]
    scores = np.full((images, classes), 1 / classes) if constant else softmax(logits)
    if decimals is not None:
        scores = scores.round(decimals)
    predicted = scores.argmax(1)
    flags = np.eye(classes)[labels]
    right = predicted == labels
    golden = {
        "name": name,
        "kind": kind,
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        **auc_and_accuracy(scores, labels, "ordinal-regression" if kind == "ordinal" else "multi-class"),
        "averagePrecision": average_precision(scores, flags),
        **class_metrics(scores, labels, predicted, classes),
        "calibrationError": ece(scores.max(1), right),
        "perClass": per_class(labels, predicted, labels=range(classes)),
        "resampled": resampled(scores, flags, right, predicted, labels),
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
    scores = np.stack([1 - positive, positive], 1)
    predicted = (positive > 0.5).astype(int)
    right = predicted == labels
    return {
        "name": name,
        "kind": "binary",
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        **auc_and_accuracy(scores, labels, "binary-class"),
        "averagePrecision": average_precision(scores[:, 1:], labels[:, None]),
        **class_metrics(scores, labels, predicted, 2),
        "calibrationError": ece(np.maximum(positive, 1 - positive), right),
        "perClass": per_class(labels, predicted, labels=range(2)),
    }


def multi_label(name, images, labels_count, decimals=None, absent=None):
    labels = (RANDOM.random((images, labels_count)) < 0.3).astype(int)
    if absent is not None:
        labels[:, absent] = 0
    scores = 1 / (1 + np.exp(-(RANDOM.normal(size=labels.shape) + 2 * labels - 1)))
    if decimals is not None:
        scores = scores.round(decimals)
    predicted = (scores > 0.5).astype(int)
    halves = [
        np.nanmean(
            [predicted[labels[:, c] == value, c].mean() if (labels[:, c] == value).any() else np.nan for value in (1,)]
            + [1 - predicted[labels[:, c] == 0, c].mean()]
        )
        for c in range(labels_count)
    ]
    return {
        "name": name,
        "kind": "multi-label",
        "scores": scores.tolist(),
        "labels": labels.tolist(),
        **auc_and_accuracy(scores, labels, "multi-label, binary-class"),
        "averagePrecision": average_precision(scores, labels),
        "f1": f1_score(labels, predicted, average="macro", zero_division=np.nan),
        "balancedAccuracy": float(np.mean(halves)),
        "calibrationError": float(
            np.mean(
                [
                    ece(np.maximum(scores[:, c], 1 - scores[:, c]), predicted[:, c] == labels[:, c])
                    for c in range(labels_count)
                ]
            )
        ),
        "perClass": per_class(labels, predicted),
        "resampled": resampled(scores, labels, (predicted == labels).mean(1), predicted, None),
    }


def delong(name, images, decimals=None, same=False):
    """DeLong et al. 1988 by its definition, every positive against every negative."""
    labels = RANDOM.integers(2, size=images)
    first = RANDOM.normal(size=images) + labels
    second = first if same else first / 2 + RANDOM.normal(size=images) + labels / 2
    if decimals is not None:
        first, second = first.round(decimals), second.round(decimals)

    def kernel(scores):
        gap = scores[labels == 1][:, None] - scores[labels == 0][None, :]
        return (gap > 0) + 0.5 * (gap == 0)

    difference = kernel(first) - kernel(second)
    variance = difference.mean(1).var(ddof=1) / difference.shape[0] + difference.mean(0).var(ddof=1) / difference.shape[1]
    error = float(np.sqrt(variance))
    return {
        "name": name,
        "first": first.tolist(),
        "second": second.tolist(),
        "labels": labels.tolist(),
        "difference": float(roc_auc_score(labels, first) - roc_auc_score(labels, second)),
        "standardError": error,
        "p": 1.0 if error == 0 else float(2 * scipy.stats.norm.sf(abs(difference.mean()) / error)),
    }


def mcnemar(only_first, only_second, both):
    n = only_first + only_second
    return {
        "onlyFirst": only_first,
        "onlySecond": only_second,
        "both": both,
        "p": float(scipy.stats.binomtest(only_first, n, 0.5).pvalue) if n > 0 else 1.0,
    }


def intervals():
    values = RANDOM.normal(size=237)
    return [
        {"values": values.tolist(), "level": level, "bounds": np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()}
        for level in (0.5, 0.9, 0.95, 0.99)
    ]


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
        "source": f"scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, numpy {np.__version__}, medmnist 3.0.2, tools/golden/metrics.py",
        "metrics": [
            multi_class("five classes", 80, 5),
            multi_class("ties", 60, 4, decimals=1),
            multi_class("a class without images", 50, 6, absent=2),
            multi_class("constant scores", 30, 3, constant=True),
            binary("binary", 60),
            binary("binary with ties", 60, decimals=1),
            multi_label("multi-label", 50, 4),
            multi_label("multi-label with ties", 50, 3, decimals=1),
            multi_class("ordinal", 70, 5, kind="ordinal"),
            multi_class("scores of 0 and 1", 40, 4, decimals=0),
            multi_class("many classes, few images", 30, 11),
            binary("binary of three images", 3),
            binary("binary at the threshold", 40, decimals=0),
            multi_label("a label without positives", 40, 5, absent=1),
            multi_label("scores of 0 and 1, per label", 40, 3, decimals=0),
        ],
        "delong": [
            delong("80 images", 80),
            delong("with ties", 60, decimals=0),
            delong("the same scores", 30, same=True),
            delong("five images", 5),
        ],
        "mcnemar": [mcnemar(*counts) for counts in [(0, 0, 9), (1, 0, 3), (5, 5, 2), (2, 12, 40), (130, 90, 500), (900, 1300, 7)]],
        "intervals": intervals(),
        "normal": [{"z": z, "p": float(2 * scipy.stats.norm.sf(z))} for z in (0, 1e-3, 0.5, 1, 1.96, 2.8, 2.9, 4, 8, 20, 37)],
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
