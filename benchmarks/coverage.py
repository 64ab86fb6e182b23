"""How often the 95 % intervals hold the true value, and tests err, simulated.

    python -m benchmarks.coverage --page docs/statistics.md

Scores are binormal; a patient's images share half of the variance of their
scores, and their Dice. Labels are drawn per image or, where `patients have one
class`, per patient. The true values come from two million independent images.
Two cores, 1000 repetitions: see the page.
"""

import argparse
import dataclasses
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from umsrep.data import storage
from umsrep.evaluation import intervals, pairing, ranking_tests
from umsrep.metrics import estimates
from umsrep.metrics.classification import label_metrics

SHARED = 0.5
CLASSES = ("negative", "positive")
PATIENTS = (20, 50, 100, 200)
AREAS = (0.7, 0.85, 0.97)
PREVALENCES = (0.1, 0.3, 0.5)
TRUTH = 2_000_000
# Marks between which the page's table is replaced.
MARKS = "<!-- coverage -->", "<!-- /coverage -->"


@dataclasses.dataclass(frozen=True)
class Images:
    """Simulated results: one entry per image."""

    patients: np.ndarray
    true: np.ndarray
    scores: np.ndarray
    ease: np.ndarray
    failed: np.ndarray

    @property
    def dice(self):
        """Most near 0.95, few near 0.5: as those of lungs are."""
        dice = 1 / (1 + np.exp(-(2.9 + 0.8 * self.ease)))
        return np.where(self.failed, dice * 0.6, dice)

    @property
    def probabilities(self):
        positive = stats.norm.cdf(self.scores)
        return np.c_[1 - positive, positive]

    def estimates(self):
        """{metric: estimate}, those of labels and of masks."""
        probabilities = self.probabilities
        predicted = (probabilities[:, 1] >= 0.5).astype(int)
        found = estimates.of_labels(
            self.true, predicted, probabilities, CLASSES
        )
        return found | {
            "dice": estimates.Mean(self.dice, 0.0, 1.0),
            "dice_median": estimates.Median(self.dice),
        }

    def values(self):
        """{metric: value}."""
        probabilities = self.probabilities
        predicted = (probabilities[:, 1] >= 0.5).astype(int)
        found = label_metrics(self.true, predicted, probabilities)
        return found | {
            "dice": self.dice.mean(),
            "dice_median": np.median(self.dice),
        }


def one_each(rng, patients):
    return np.ones(patients, int)


def three_each(rng, patients):
    return np.full(patients, 3)


def unequal(rng, patients):
    return rng.choice([1, 1, 2, 3, 8], patients)


CLUSTERS = {
    "1 image": (one_each, False),
    "3 images": (three_each, False),
    "3, one class": (three_each, True),
    "1 to 8, one class": (unequal, True),
}


def draw(rng, patients, area, prevalence, clusters="1 image"):
    """`Images` of so many patients."""
    sizes, by_patient = CLUSTERS[clusters]
    index = np.repeat(np.arange(patients), sizes(rng, patients))
    labels = rng.random(patients if by_patient else len(index)) < prevalence
    true = (labels[index] if by_patient else labels).astype(int)
    # Apart by what gives the area, half of it on either side of 0.
    apart = np.sqrt(2) * stats.norm.ppf(area)
    scores = correlated(rng, index) + apart * (true - 0.5)
    failed = rng.random(len(index)) < 0.05
    return Images(index, true, scores, correlated(rng, index), failed)


def correlated(rng, index):
    """Standard normal values that share `SHARED` within a patient."""
    of_patient = rng.normal(size=index.max() + 1)[index]
    return np.sqrt(SHARED) * of_patient + np.sqrt(1 - SHARED) * rng.normal(
        size=len(index)
    )


def coverages(repetitions, conditions, resamples) -> Iterator[dict]:
    """Rows: a condition and metric, coverage, width, share without one."""
    truths = {}
    for number, condition in enumerate(conditions):
        patients, area, prevalence, clusters = condition
        if (area, prevalence) not in truths:
            rng = np.random.default_rng(0)
            truths[area, prevalence] = draw(
                rng, TRUTH, area, prevalence
            ).values()
        truth = truths[area, prevalence]
        rng = np.random.default_rng([1, number])
        found = {}
        for seed in range(repetitions):
            images = draw(rng, patients, area, prevalence, clusters)
            for metric, estimate in images.estimates().items():
                low, high = intervals.of_estimate(
                    estimate, images.patients, resamples=resamples, seed=seed
                )
                found.setdefault(metric, []).append(
                    (low <= truth[metric] <= high, high - low)
                )
        for metric, pairs in found.items():
            held, width = np.array(pairs, float).T
            known = np.isfinite(width)
            yield {
                "patients": patients,
                "auc": area,
                "prevalence": prevalence,
                "images": clusters,
                "metric": metric,
                "coverage": held[known].mean() if known.any() else np.nan,
                "width": width[known].mean() if known.any() else np.nan,
                "none": 1 - len(known) / repetitions + (~known).mean(),
            }


def errors(repetitions, patients=(6, 10, 20, 50, 100)) -> Iterator[dict]:
    """Rows: how often tests of two equal models find p <= 0.05."""
    for count, clusters in itertools.product(patients, CLUSTERS):
        rng = np.random.default_rng([2, count])
        found = {}
        for seed in range(repetitions):
            a = draw(rng, count, 0.85, 0.4, clusters)
            b = dataclasses.replace(
                a,
                scores=_other(rng, a, a.scores, 0.85),
                # Of the same law, and correlated.
                ease=(a.ease + correlated(rng, a.patients)) / np.sqrt(2),
                failed=rng.random(len(a.failed)) < 0.05,
            )
            for name, p in _tests(a, b, seed):
                found.setdefault(name, []).append(p <= 0.05)
        for name, rejected in found.items():
            yield {
                "patients": count,
                "images": clusters,
                "test": name,
                "rejected": np.mean(rejected),
            }


def _other(rng, images, scores, area):
    """Scores of an equally good model, correlated with `scores`."""
    middle = np.sqrt(2) * stats.norm.ppf(area) * (images.true - 0.5)
    noise = correlated(rng, images.patients)
    return middle + (scores - middle + noise) / np.sqrt(2)


def _tests(a, b, seed):
    right = [x.true == (x.scores >= 0) for x in (a, b)]
    yield (
        "accuracy, sign flips by patient",
        pairing.sign_flip_test(
            np.subtract(*np.array(right, float)), a.patients, seed
        ).p,
    )
    yield (
        "Dice, sign flips by patient",
        pairing.sign_flip_test(a.dice - b.dice, a.patients, seed).p,
    )
    yield "Dice, Wilcoxon by image", stats.wilcoxon(a.dice, b.dice).pvalue
    if len(np.unique(a.true)) == 2:
        for name in ("auc", "average_precision"):
            *_, by_patient = ranking_tests.exchange_test(
                getattr(ranking_tests, name),
                a.true == 1,
                a.scores,
                b.scores,
                a.patients,
                seed,
            )
            yield f"{name}, exchanged ranks by patient", by_patient.p


def summary(frame):
    """Lowest, mean and highest coverage by metric and number of patients.

    With the share of repetitions without an interval, where there are any.
    """

    def cell(part):
        held = part["coverage"]
        text = f"{held.min():.2f} / {held.mean():.3f} / {held.max():.2f}"
        none = part["none"].mean()
        return text + (f" (none: {none:.0%})" if none >= 0.005 else "")

    groups = frame.groupby(["metric", "patients"])[["coverage", "none"]]
    cells = groups.apply(cell)
    return cells.unstack("patients").rename(columns=lambda n: f"{n} patients")


def differences(repetitions, patients=PATIENTS) -> Iterator[dict]:
    """Rows: how often the interval of a difference holds the true one.

    Accuracies of 0.97 and 0.93 and AUCs of 0.9 and 0.8, correlated models.
    """
    areas = 0.9, 0.8
    for count, clusters in itertools.product(patients, CLUSTERS):
        rng = np.random.default_rng([3, count])
        found = {"accuracy": [], "AUC": []}
        for seed in range(repetitions):
            a = draw(rng, count, areas[0], 0.4, clusters)
            scores = _other(rng, a, a.scores, areas[0])
            apart = np.sqrt(2) * np.subtract(*stats.norm.ppf(areas))
            scores = scores - apart * (a.true - 0.5)
            right = [
                stats.norm.cdf(correlated(rng, a.patients)) < share
                for share in (0.97, 0.93)
            ]
            low, high = pairing.paired(
                *right, a.patients, seed, bounds=(-1.0, 1.0)
            )["difference_ci95"]
            found["accuracy"].append(low <= 0.04 <= high)
            if len(np.unique(a.true)) == 2:
                *_, test = ranking_tests.exchange_test(
                    ranking_tests.auc,
                    a.true == 1,
                    a.scores,
                    scores,
                    a.patients,
                    seed,
                )
                found["AUC"].append(test.low <= 0.1 <= test.high)
        for name, held in found.items():
            yield {
                "difference of": name,
                "images": clusters,
                "patients": count,
                "coverage": np.mean(held),
            }


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument(
        "--quick", action="store_true", help="A trial; figures mean nothing."
    )
    parser.add_argument("--out", type=Path, help="Folder for the whole tables.")
    parser.add_argument("--page", type=Path, help="Markdown file to update.")
    options = parser.parse_args(arguments)
    conditions = list(itertools.product(PATIENTS, AREAS, PREVALENCES, CLUSTERS))
    kinds = {}
    if options.quick:
        conditions = conditions[:2]
        kinds = {"patients": (6,)}
    rows = []
    for row in coverages(options.repetitions, conditions, options.resamples):
        rows.append(row)
        if len(rows) % 11 == 0:
            print(f"{row['patients']} patients", file=sys.stderr, flush=True)
    frame = pd.DataFrame(rows)
    tests = pd.DataFrame(errors(options.repetitions, **kinds))
    table = summary(frame)
    rejected = tests.set_index(["test", "images", "patients"])["rejected"]
    rejected = rejected.unstack("patients")
    apart = pd.DataFrame(differences(options.repetitions, **kinds))
    apart = apart.set_index(["difference of", "images", "patients"])
    apart = apart["coverage"].unstack("patients")
    text = (
        f"{options.repetitions} repetitions; lowest / mean / highest "
        f"coverage over {len(conditions)} conditions.\n\n"
        f"{table.to_markdown()}\n\n"
        "Coverage of the interval of a difference.\n\n"
        f"{apart.round(3).reset_index().to_markdown(index=False)}\n\n"
        "Share of p <= 0.05 where A and B are equally good.\n\n"
        f"{rejected.round(3).reset_index().to_markdown(index=False)}\n"
    )
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        frame.to_csv(options.out / "coverage.csv", index=False)
        tests.to_csv(options.out / "tests.csv", index=False)
    if options.page:
        before, _, rest = options.page.read_text().partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        storage.write_text(
            options.page,
            f"{before}{MARKS[0]}\n{text}{MARKS[1]}{after}",
        )


if __name__ == "__main__":
    main()
