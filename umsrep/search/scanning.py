"""A scan, driven by Talos.

Talos's `ParamSpace` samples the space and its `Scan` takes the rounds one
after the other, lists them in its own folder and, if asked, reduces the
space. What it calls for a round trains nothing itself: it waits for a worker.
With one worker a round begins when Talos comes to it. With several, and on a
cluster, Talos has no parallel rounds of its own: there all sampled settings
are handed to the workers at the start, and Talos's `Scan` collects them in its
order. A reduction, which looks at results before it goes on, therefore needs
one worker.

Talos gets positions of images instead of arrays, split by patient, for its
own split would put images of one patient on both sides, and it can neither
pass labels that are missing for some images nor several tasks.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep.errors import UmsrepError
from umsrep.progress import Progress
from umsrep.search import jobs, results
from umsrep.search.engines import Local
from umsrep.search.folder import ScanFolder
from umsrep.search.plan import METHODS, ScanPlan, load_space
from umsrep.search.rounds import Rounds
from umsrep.search.space import text


@dataclass(frozen=True)
class ScanResult:
    """What `scan` returns.

    Attributes:
        path: The scan's folder.
        table: Data frame of results.csv, the best round first.
        best: The best round's record: "key", "chosen" ({name: value}),
            "objective", "best_epochs", "losses", "metrics", ...
    """

    path: Path
    table: pd.DataFrame
    best: dict


def scan(
    plan,
    out,
    engine=None,
    resume=False,
    retry_failed=False,
    progress=True,
):
    """Trains the rounds of a search space and ranks them.

    A round that fails (an exception, not-a-number, no memory) is kept with its
    reason, and the scan goes on. Every finished round is on disk, so an
    interrupted scan continues with `resume`, as does one that now has more
    rounds or another space or objective.

    Args:
        plan: A `ScanPlan`, or what `load_space` takes.
        out: The scan's folder.
        engine: `Local` (default, one worker), `InProcess` or `Dask`.
        resume: Go on in an existing folder.
        retry_failed: The same, and train failed rounds again.
        progress: Show a progress bar.

    Returns:
        A `ScanResult`.

    Raises:
        UmsrepError: a mistake in the search space, or all rounds failed.
        KeyboardInterrupt: after an interruption; all finished rounds are kept.
    """
    import talos

    if not isinstance(plan, ScanPlan):
        plan = load_space(plan)
    engine = engine or Local()
    ahead = engine.workers != 1 or not engine.shares_folder
    if ahead and plan.reduction is not None:
        raise UmsrepError(
            "A reduction looks at each result before it chooses the next "
            "round, so it needs one worker of the engine local. Pass "
            "--workers 1, or remove 'reduction' from the search space."
        )
    inputs = positions(plan)
    space = param_space(plan)
    sampled = rows(space)
    check_rounds(plan, sampled)
    with (
        ScanFolder(out, plan, resume, retry_failed) as folder,
        engine.executor() as executor,
        Progress("scan", len(sampled), enabled=progress) as bar,
    ):
        begin = time.time()
        rounds = Rounds(plan, folder, executor, engine, inputs, bar)
        if ahead:
            for chosen in sampled:
                rounds.begin(chosen)
        outcome = _talos_scan(plan, inputs, space, rounds.model, folder)
        entries = {
            "talos": talos.__version__,
            "engine": type(engine).__name__,
            "workers": engine.workers,
            "seconds": time.time() - begin,
        }
        # Talos keeps an interruption to itself.
        interrupted = outcome.status != "complete"
        status = "interrupted" if interrupted else "complete"
        folder.write(status, entries)
        found = results.write_results(folder, plan, finished=not interrupted)
    if interrupted:
        raise KeyboardInterrupt
    return ScanResult(folder.path, *found)


def _talos_scan(plan, inputs, space, model, folder):
    import talos

    return talos.Scan(
        inputs["x"],
        inputs["y"],
        x_val=inputs["x_val"],
        y_val=inputs["y_val"],
        params=space,
        model=without_module(model),
        experiment_name=plan.name,
        experiment_dir=str(folder.talos),
        seed=plan.seed,
        save_weights=False,
        clear_session=False,
        disable_progress_bar=True,
        **_reduction(plan),
    )


def without_module(function):
    """The function, of no module that Talos could copy.

    Talos copies the sources of a function's module, and of what it imports,
    into its folder and puts that first on the search path, where a worker
    process would find half of this package. The versions are in scan.json.
    """

    def model(x, y, x_val, y_val, params):
        return function(x, y, x_val, y_val, params)

    model.__module__ = None
    return model


def positions(plan):
    """{"x", "y", "x_val", "y_val"}: positions of images, split by patient.

    Positions are those in the prepared data sets, one after the other. `y`
    is `x`: a round reads the labels of its tasks itself.
    """
    whole, training, validation = jobs.splits(plan)
    specs = jobs.task_specs(plan, whole)
    plan.objective.check_tasks(plan.stage, specs)
    names = [spec.name for spec in specs]
    training.require(names, "training")
    validation.require(names, "validation")
    place = {name: row for row, name in enumerate(whole.table["image"])}
    x, x_val = (
        np.sort(side.table["image"].map(place).to_numpy())
        for side in (training, validation)
    )
    return {"x": x, "y": x, "x_val": x_val, "y_val": x_val}


def param_space(plan):
    """Talos's `ParamSpace` of a search space."""
    from talos.parameters.ParamSpace import ParamSpace

    return ParamSpace(
        plan.space,
        random_method=METHODS[plan.search],
        round_limit=plan.rounds,
        seed=plan.seed,
    )


def rows(space):
    """The sampled rounds, [{name: value}], in Talos's order."""
    return [
        dict(zip(space.param_keys, space.param_space[index], strict=True))
        for index in space.param_index
    ]


def check_rounds(plan, sampled):
    """Raises at a value that no round can have.

    Values that only do not go together fail their round; one that is wrong by
    itself, such as a misspelt name, would fail hours later.
    """
    reasons = {}
    for chosen in sampled:
        try:
            jobs.check(plan, chosen)
            reason = None
        except UmsrepError as error:
            reason = str(error)
        for name, value in chosen.items():
            reasons.setdefault((name, text(value)), []).append(reason)
    (first, *others) = reasons.values()
    if len({*first}.union(*others)) == 1 and first[0]:
        raise UmsrepError(
            f"No round can train. {first[0]} Fix the search space."
        )
    for (name, value), found in reasons.items():
        if all(found):
            raise UmsrepError(
                f"No round can have {name}: {value}. {found[0]} Fix the space."
            )


def _reduction(plan):
    reduction = plan.reduction
    if reduction is None:
        return {}
    return {
        "reduction_method": reduction.method,
        "reduction_interval": reduction.interval,
        "reduction_window": reduction.window,
        "reduction_threshold": reduction.threshold,
        "reduction_metric": "objective",
        "minimize_loss": plan.objective.direction == "min",
    }
