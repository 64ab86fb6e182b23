"""How often the test over patients and trainings errs, simulated.

    python -m benchmarks.crossed --page docs/statistics.md

Of two equally good networks: values per image with random effects of patients,
of trainings and of both together, one image each, and the AUC of binormal
scores, a third of them positive, from trainings whose true AUC varies. Three
minutes on one core.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from umsrep.data import storage
from umsrep.data.prepared import TaskSpec
from umsrep.evaluation.crossed_tests import (
    analysed,
    crossed_test,
    of_predictions,
)

PATIENTS = (10, 20, 50, 100)
REPEATS = (3, 5, 10)
# Standard deviations over patients, over trainings, and of what is left.
SPREADS = {
    "patients vary": (1.0, 0.0, 1.0),
    "patients and, less, trainings": (1.0, 0.1, 1.0),
    "both": (1.0, 0.3, 0.3),
    "trainings vary most": (1.0, 1.0, 1.0),
}
FINDING = TaskSpec("finding", "label", ("normal", "ill"))
# Marks between which the page's table is replaced.
MARKS = "<!-- crossed -->", "<!-- /crossed -->"


def of_means(repetitions, patients=PATIENTS, repeats=REPEATS) -> Iterator[dict]:
    """Rows: share of p < 0.05 for a mean of values per image."""
    for (name, spread), count, trainings in itertools.product(
        SPREADS.items(), patients, repeats
    ):
        rng = np.random.default_rng([count, trainings])
        rejected = 0
        for _ in range(repetitions):
            d = (
                spread[0] * rng.normal(size=count)
                + spread[1] * rng.normal(size=(trainings, 1))
                + spread[2] * rng.normal(size=(trainings, count))
            )
            rejected += analysed(d, d.mean(axis=1)).p < 0.05
        yield {
            "difference of": f"means, {name}",
            "trainings": trainings,
            "patients": count,
            "rejected": rejected / repetitions,
        }


def of_rankings(repetitions, patients=PATIENTS, repeats=5) -> Iterator[dict]:
    """Rows: share of p < 0.05 for an AUC of 0.76, give or take 0.02."""
    for count in patients[1:]:
        rng = np.random.default_rng([1, count])
        rejected = 0
        for _ in range(repetitions):
            ill = np.arange(count) % 3 == 0
            # How hard a patient is, for all networks.
            shared = rng.normal(size=count)
            sides = [
                [_ranked(rng, ill, shared) for _ in range(repeats)]
                for _ in "ab"
            ]
            rejected += crossed_test(*sides, "auc").p < 0.05
        yield {
            "difference of": "AUC",
            "trainings": repeats,
            "patients": count,
            "rejected": rejected / repetitions,
        }


def _ranked(rng, ill, shared):
    apart = rng.normal(1.0, 0.07)
    noise = (shared + rng.normal(size=len(ill))) / np.sqrt(2)
    scores = stats.norm.cdf(noise + apart * (ill - 0.5))
    names = [f"i{n}" for n in range(len(ill))]
    table = pd.DataFrame(
        {
            "image": names,
            "patient": names,
            "finding_true": np.where(ill, "ill", "normal"),
            "finding_pred": np.where(scores > 0.5, "ill", "normal"),
            "finding_p_normal": 1 - scores,
            "finding_p_ill": scores,
        }
    )
    return of_predictions(table, FINDING)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossed")
    parser.add_argument("--repetitions", type=int, default=5000)
    parser.add_argument("--rankings", type=int, default=400)
    parser.add_argument("--page", type=Path, help="Markdown file to update.")
    options = parser.parse_args(arguments)
    rows = [*of_means(options.repetitions), *of_rankings(options.rankings)]
    frame = pd.DataFrame(rows).set_index(
        ["difference of", "trainings", "patients"]
    )
    table = frame["rejected"].unstack("patients").round(3).reset_index()
    table = table.astype(object).where(table.notna(), "")
    text = (
        "Share of p < 0.05 over patients and trainings where A and B are "
        "equally good, by number of patients; "
        f"{options.repetitions} repetitions, {options.rankings} of AUC.\n\n"
        f"{table.to_markdown(index=False)}\n"
    )
    print(text)
    if options.page:
        before, _, rest = options.page.read_text().partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        storage.write_text(
            options.page, f"{before}{MARKS[0]}\n{text}{MARKS[1]}{after}"
        )


if __name__ == "__main__":
    main()
