"""Learning curves: what a way of training makes of how many labels.

    plan = load_plan("plan.yaml")
    tables = learning_curve(plan, "curves", engine=umsrep.search.Local(2))

Candidates x numbers of labelled patients x repeats, each run on the same
validation and test images and with as many optimizer steps. A repeat has its
own patients, weights and order; the patients of a smaller number are among
those of every larger one.
"""

import contextlib
import time
from collections.abc import Mapping
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from umsrep.data import storage
from umsrep.data.few_labels import bounds, few_labels
from umsrep.errors import UmsrepError
from umsrep.evaluation.folder import read_folder
from umsrep.experiments import curve_folder, curve_statistics
from umsrep.experiments.curve_folder import CurveFolder, CurveRun
from umsrep.experiments.curve_plan import CurvePlan, load_plan
from umsrep.experiments.curve_results import write_results
from umsrep.progress import Progress
from umsrep.search import worker
from umsrep.search.engines import Local

# By default: all labelled patients, half of them, and so on.
SIZES, SMALLEST = 5, 8
AGAIN = "repeat the command"


def learning_curve(
    plan: CurvePlan | str | Path | Mapping[str, Any],
    out: str | Path,
    engine: Any = None,
    keep_models: bool = False,
    progress: bool = True,
) -> dict[str, pd.DataFrame]:
    """Trains, evaluates and compares the candidates of a plan.

    Whatever is finished is not done again: a repeated call goes on where the
    last one was, and one with more repeats, sizes, candidates or test sets
    adds them.

    Args:
        plan: A `CurvePlan`, or what `load_plan` takes.
        out: Folder; see `curve_folder`.
        engine: `search.Local` (default, one worker), `InProcess` or `Dask`,
            whose machines must all see `out`.
        keep_models: Keep the models of all runs. Without, a test set that is
            added later trains again.
        progress: Show a progress bar.

    Returns:
        {"curve": a row per candidate, size, repeat, test set, task and
        metric; "summary": means and intervals; "differences" from the
        baseline; "relative", Delta m over it; "reached"; "cost"}.

    Raises:
        UmsrepError: a mistake in the plan, a folder of other settings, or
            runs that failed (the others are kept, and in the tables).
        KeyboardInterrupt: after an interruption; the tables hold what is done.
    """
    if not isinstance(plan, CurvePlan):
        plan = load_plan(plan)
    tests = curve_folder.tests_of(plan)
    plan = with_sizes(plan)
    steps = curve_folder.budget(plan)
    folder = CurveFolder(out, plan, steps, tests)
    with storage.locked(folder.path):
        folder.open()
        status = "interrupted"
        try:
            failed = _train(folder, engine or Local(), keep_models, progress)
            status = "incomplete" if failed else "complete"
        finally:
            tables = write_results(folder)
            folder.write(status)
    if failed:
        run, reason = failed[0]
        raise UmsrepError(
            f"{len(failed)} runs failed; the first, {run.words}: {reason} "
            f"What they printed is in {folder.path / 'failed'}. Mend the "
            "cause and repeat the command; the others are not done again."
        )
    return tables


def with_sizes(plan: CurvePlan) -> CurvePlan:
    """The plan with numbers of patients that every candidate can have.

    In every repeat all candidates get the same patients: these are drawn by
    the tasks of all (`curve_folder.with_common_patients`).

    Raises:
        UmsrepError: a number above what there is, or below what all classes
            need.
    """
    plan = curve_folder.with_common_patients(plan)
    sides = curve_folder.common_split(plan)
    seeds = [plan.seed + repeat for repeat in range(plan.repeats)]
    pairs = [
        (side, c.labelled_tasks or curve_folder.learnt_by(c, side))
        for c, side in zip(plan.candidates, sides, strict=True)
    ]
    found = [bounds(side, tasks, seeds) for side, tasks in pairs]
    fewest = max(low for low, _ in found)
    most = min(high for _, high in found)
    if not plan.sizes:
        halves = [most // 2**power for power in range(SIZES)]
        sizes = [n for n in halves if n >= max(fewest, SMALLEST)] or [most]
        plan = replace(plan, sizes=tuple(sorted(sizes)))
    for side, tasks in pairs:
        for size in plan.sizes:
            for seed in seeds:
                few_labels(side, tasks, size, seed)
    return plan


def _train(
    folder: CurveFolder, engine: Any, keep_models: bool, progress: bool
) -> list[tuple[CurveRun, str]]:
    """Trains what is not done; the runs that failed, with the reasons."""
    every = list(folder.runs())
    left = [run for run in every if not run.done]
    failed = []
    with (
        engine.executor() as executor,
        Progress(
            "learning curve",
            len(every),
            done=len(every) - len(left),
            enabled=progress,
        ) as bar,
    ):
        begin = time.time()
        for number, (run, record) in enumerate(
            _ended(folder, left, engine, executor, keep_models), start=1
        ):
            bar.advance(1)
            if record["status"] != "complete":
                failed.append((run, record["reason"]))
                _keep_log(folder, run, record)
                bar.describe(f"{run.words}: failed: {record['reason'][:100]}")
                continue
            rest = (len(left) - number) * (time.time() - begin) / number
            bar.describe(
                f"{run.words}: {_told(run)}; {record['seconds']:.0f} s"
                + (f"; about {_duration(rest)} left" if rest else "")
            )
    return failed


def _ended(folder, left, engine, executor, keep_models):
    """Yields (run, record) as runs end."""
    waiting = {}
    for run in left:
        job = folder.job(run, keep_models)
        future = executor.submit(engine.run_round, job)
        if future.done():
            # Of an engine that works while it is handed the job.
            yield run, worker.record_of(future, AGAIN)
        else:
            waiting[future] = run
    for future in futures.as_completed(waiting):
        yield waiting[future], worker.record_of(future, AGAIN)


def _keep_log(folder, run, record):
    name = f"{run.candidate.slug}-{run.patients}-{run.repeat}.txt"
    text = record.get("log", "") + record.get("traceback", "")
    storage.write_text(folder.path / "failed" / name, text or record["reason"])


def _told(run):
    """The headline of each task at home."""
    evaluation = read_folder(next(iter(run.evaluations.values())))
    parts = []
    for spec in evaluation.tasks:
        metric = curve_statistics.headline(spec)
        with contextlib.suppress(KeyError, TypeError):
            value = evaluation.metrics[spec.name][metric]
            parts.append(f"{spec.name} {metric} {value:.3f}")
    return ", ".join(parts)


def _duration(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
