#!/usr/bin/env python3
"""How hard is the phantom cohort for classifiers that see raw pixels?

usage: phantom-baselines.py COHORT_DIRECTORY [--splits 5]        (pip install numpy scikit-learn pillow nibabel)

COHORT_DIRECTORY is what `writeCohort` of @medformer/phantom writes. Patients are split, not images: a quarter is
held out, another quarter in each split. Prints a Markdown table of balanced accuracy, mean and standard deviation
over the splits (which overlap: the deviation is no confidence interval).
"""
import argparse
import csv
import os
import warnings

import nibabel
import numpy as np
from PIL import Image
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def load(directory):
    """Images [n, 28 * 28], volumes [n, 28^3], both scaled to 0..1, and the rows of labels.csv of each."""
    groups = {"2D": ([], []), "3D": ([], [])}
    with open(os.path.join(directory, "labels.csv"), newline="") as table:
        for row in csv.DictReader(table):
            path = os.path.join(directory, row["file"])
            if path.endswith(".png"):
                group, pixels = groups["2D"], np.asarray(Image.open(path), np.float32) / 255
            else:
                group, pixels = groups["3D"], rescaled(np.asarray(nibabel.load(path).dataobj, np.float32))
            group[0].append(pixels.ravel())
            group[1].append(row)
    return {name: (np.stack(pixels), rows) for name, (pixels, rows) in groups.items() if rows}


def rescaled(volume):
    low, high = np.percentile(volume, (1, 99.5))
    return np.clip((volume - low) / max(high - low, 1e-6), 0, 1)


CLASSIFIERS = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)),
    "5-NN": lambda: KNeighborsClassifier(5),
    "extra trees": lambda: ExtraTreesClassifier(300, n_jobs=1, random_state=0),
}


def score(pixels, rows, task, per_class, make, splits):
    subjects = np.array([row["subject"] for row in rows])
    labels = np.array([row[task] for row in rows])
    scores = []
    for split in range(splits):
        rng = np.random.default_rng(split)
        order = rng.permutation(np.unique(subjects))
        held_out = np.isin(subjects, order[: len(order) // 4])
        train = np.concatenate(
            [rng.permutation(np.flatnonzero(~held_out & (labels == name)))[:per_class] for name in np.unique(labels)]
        )
        model = make().fit(pixels[train], labels[train])
        scores.append(balanced_accuracy_score(labels[held_out], model.predict(pixels[held_out])))
    return f"{np.mean(scores):.3f} ± {np.std(scores):.3f}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("directory")
    arguments.add_argument("--splits", type=int, default=5)
    options = arguments.parse_args()
    warnings.filterwarnings("ignore")
    data = load(options.directory)
    print("| data | task | labels a class | chance | " + " | ".join(CLASSIFIERS) + " |")
    print("|" + " --- |" * (4 + len(CLASSIFIERS)))
    for kind, per_class_options in (("2D", (10, 50)), ("3D", (10, 20))):
        if kind not in data:
            continue
        pixels, rows = data[kind]
        for task in ("region", "lesion", "modality"):
            chance = 1 / len({row[task] for row in rows})
            for per_class in per_class_options:
                cells = [
                    score(pixels, rows, task, per_class, make, options.splits) for make in CLASSIFIERS.values()
                ]
                print(f"| {kind} | {task} | {per_class} | {chance:.2f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
