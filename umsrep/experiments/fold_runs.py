"""Several networks, each cross-validated on the same folds.

Each candidate is one run of folds (`stages.cross_validation`); every fold is
evaluated by itself, as a repeat is, and beside them the ensemble of all.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep import data as data_package
from umsrep import runs
from umsrep.data import storage
from umsrep.evaluation import table_metrics
from umsrep.experiments.budget import equal_steps
from umsrep.experiments.repeats import (
    BOOTSTRAP,
    Candidate,
    compared,
    is_of,
    result_rows,
    slug,
)
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import finetune

# Folders of a candidate's evaluations beside fold-1 and so on.
ENSEMBLE, HELD_OUT = "ensemble", "held-out"


def run_folds(
    data: str | Path,
    candidates: Sequence[Candidate],
    out: str | Path,
    folds: int,
    sources: Callable[[Candidate], Mapping[str, Any]],
    seed: int = 0,
    test_data: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Cross-validates every candidate at an equal budget.

    Args:
        data: A prepared data set, which the folds divide.
        candidates: `Candidate`s.
        out: Folder; interrupted work goes on where it was.
        folds: How many.
        sources: Called with a candidate: its `representation`,
            `denoise_with`, `leave_out`, as of `finetune`.
        seed: Seed of the division and of the first fold's weights.
        test_data: A prepared data set that every fold is tested on, such as
            of another hospital. None: on the test images of `data`, its own
            ones or those that the fold held out.
        say: Called with a line per step.

    Returns:
        Data frame as of `repeats.run_repeats`; a repeat is a fold.
    """
    out, rows = Path(out), []
    own_test = (data_package.load(data).table["split"] == "test").any()
    for number, candidate in enumerate(candidates, start=1):
        say(f"{candidate.name} ({number} of {len(candidates)})")
        settings = replace(
            candidate.settings, seed=seed, split_seed=seed, folds=folds
        )
        given = sources(candidate)
        tasks = compared(candidate, candidates)
        left = given.get("leave_out") or given.get("representation")
        steps = equal_steps(data, tasks, settings, _labelled(left))
        run = out / "runs" / slug(candidate.name)
        finetune(
            data,
            candidate.tasks,
            run,
            settings=replace(settings, steps=steps),
            resume=True,
            **given,
        )
        places = out / "evaluations" / slug(candidate.name)
        for fold in range(1, folds + 1):
            member = runs.fold_folder(run, fold)
            place = places / member.name
            _evaluate(member, test_data or data, place)
            rows += result_rows(candidate.name, fold - 1, seed, member, place)
        if test_data is not None or own_test:
            _evaluate(run, test_data or data, places / ENSEMBLE)
        if not own_test:
            _evaluate(run, data, places / HELD_OUT)
    return pd.DataFrame(rows)


def _labelled(run):
    """The run if it knows labels, whose patients are then left out."""
    return run if run is not None and runs.Run(run).has_labels else None


def _evaluate(run, data, out):
    if out.exists() and not is_of(out, run):
        shutil.rmtree(out)
    if not out.exists():
        evaluate_run(run, data, out, bootstrap=BOOTSTRAP)


def ensemble_table(
    out: str | Path,
    group: Mapping[str, Candidate],
    metrics: Callable[[Any], Mapping[str, str]],
    specs: Sequence[Any],
    which: str = ENSEMBLE,
) -> pd.DataFrame:
    """The folds together, with intervals over patients.

    Args:
        out: Folder of the experiment.
        group: {strategy: `Candidate`}.
        metrics: {metric: heading} of a task.
        specs: `TaskSpec`s.
        which: `ENSEMBLE`, or `HELD_OUT`.

    Returns:
        Data frame of text, a row per strategy and task.
    """
    rows = []
    for strategy, candidate in group.items():
        place = Path(out) / "evaluations" / slug(candidate.name) / which
        found = storage.read_json(place / "metrics.json", "metrics")
        for spec in specs:
            entry = found.get(spec.name, {})
            rows.append(
                {
                    "Strategy": strategy,
                    "Task": spec.name,
                    **{
                        heading: _with_interval(entry, metric)
                        for metric, heading in metrics(spec).items()
                    },
                }
            )
    return pd.DataFrame(rows).fillna("–")


def pooled_predictions(
    out: str | Path, group: Mapping[str, Candidate], which: str
) -> dict[str, list[pd.DataFrame]]:
    """{strategy: [predictions]} of all folds together."""
    return {
        strategy: [
            table_metrics.read_predictions(
                Path(out)
                / "evaluations"
                / slug(candidate.name)
                / which
                / "predictions.csv"
            )
        ]
        for strategy, candidate in group.items()
    }


def _with_interval(entry, metric):
    if not isinstance(entry.get(metric), (int, float)):
        return "–"
    text = f"{entry[metric]:.3f}"
    ends = entry.get(f"{metric}_ci95")
    if ends and None not in ends:
        text += f" ({ends[0]:.3f} to {ends[1]:.3f})"
    return text.replace("-", "−")
