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

import math
import time
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep.errors import UmsrepError
from umsrep.search import jobs, results, worker
from umsrep.search.engines import Local
from umsrep.search.folder import ScanFolder
from umsrep.search.recipe import METHODS, Recipe, load_recipe
from umsrep.search.space import text
from umsrep.training.progress import Progress


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
    recipe,
    out,
    engine=None,
    resume=False,
    retry_failed=False,
    progress=True,
):
    """Trains the rounds of a recipe and ranks them.

    A round that fails (an exception, not-a-number, no memory) is kept with its
    reason, and the scan goes on. Every finished round is on disk, so an
    interrupted scan continues with `resume`, as does one whose recipe now has
    more rounds or another space or objective.

    Args:
        recipe: A `Recipe`, or what `load_recipe` takes.
        out: The scan's folder.
        engine: `Local` (default, one worker), `InProcess` or `Dask`.
        resume: Go on in an existing folder.
        retry_failed: The same, and train failed rounds again.
        progress: Show a progress bar.

    Returns:
        A `ScanResult`.

    Raises:
        UmsrepError: a mistake in the recipe, or all rounds failed.
        KeyboardInterrupt: after an interruption; all finished rounds are kept.
    """
    import talos

    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    engine = engine or Local()
    ahead = engine.workers != 1 or not engine.shares_folder
    if ahead and recipe.reduction is not None:
        raise UmsrepError(
            "A reduction looks at each result before it chooses the next "
            "round, so it needs one worker of the engine local. Pass "
            "--workers 1, or remove 'reduction' from the recipe."
        )
    inputs = positions(recipe)
    space = param_space(recipe)
    sampled = rows(space)
    check_rounds(recipe, sampled)
    with (
        ScanFolder(out, recipe, resume, retry_failed) as folder,
        engine.executor() as executor,
        Progress("scan", len(sampled), enabled=progress) as bar,
    ):
        begin = time.time()
        rounds = _Rounds(recipe, folder, executor, engine, inputs, bar)
        if ahead:
            for chosen in sampled:
                rounds.begin(chosen)
        outcome = talos.Scan(
            inputs["x"],
            inputs["y"],
            x_val=inputs["x_val"],
            y_val=inputs["y_val"],
            params=space,
            model=without_module(rounds.model),
            experiment_name=recipe.name,
            experiment_dir=str(folder.talos),
            seed=recipe.seed,
            save_weights=False,
            clear_session=False,
            disable_progress_bar=True,
            **_reduction(recipe),
        )
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
        found = results.write(folder, recipe, finished=not interrupted)
    if interrupted:
        raise KeyboardInterrupt
    return ScanResult(folder.path, *found)


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


def positions(recipe):
    """{"x", "y", "x_val", "y_val"}: positions of images, split by patient.

    Positions are those in the prepared data sets, one after the other. `y`
    is `x`: a round reads the labels of its tasks itself.
    """
    whole, training, validation = jobs.divide(recipe)
    specs = jobs.task_specs(recipe, whole)
    recipe.objective.check_tasks(recipe.stage, specs)
    names = [spec.name for spec in specs]
    training.require(names, "training")
    validation.require(names, "validation")
    place = {name: row for row, name in enumerate(whole.table["image"])}
    x, x_val = (
        np.sort(side.table["image"].map(place).to_numpy())
        for side in (training, validation)
    )
    return {"x": x, "y": x, "x_val": x_val, "y_val": x_val}


def param_space(recipe):
    """Talos's `ParamSpace` of a recipe."""
    from talos.parameters.ParamSpace import ParamSpace

    return ParamSpace(
        recipe.space,
        random_method=METHODS[recipe.search],
        round_limit=recipe.rounds,
        seed=recipe.seed,
    )


def rows(space):
    """The sampled rounds, [{name: value}], in Talos's order."""
    return [
        dict(zip(space.param_keys, space.param_space[index], strict=True))
        for index in space.param_index
    ]


def check_rounds(recipe, sampled):
    """Raises at a value that no round can have.

    Values that only do not go together fail their round; one that is wrong by
    itself, such as a misspelt name, would fail hours later.
    """
    reasons = {}
    for chosen in sampled:
        try:
            jobs.settings_of(recipe, chosen)
            reason = None
        except UmsrepError as error:
            reason = str(error)
        for name, value in chosen.items():
            reasons.setdefault((name, text(value)), []).append(reason)
    for (name, value), found in reasons.items():
        if all(found):
            raise UmsrepError(
                f"No round can have {name}: {value}. {found[0]} Mend the space."
            )


def _reduction(recipe):
    reduction = recipe.reduction
    if reduction is None:
        return {}
    return {
        "reduction_method": reduction.method,
        "reduction_interval": reduction.interval,
        "reduction_window": reduction.window,
        "reduction_threshold": reduction.threshold,
        "reduction_metric": "objective",
        "minimize_loss": recipe.objective.direction == "min",
    }


class _Rounds:
    """Begins rounds, keeps them, and gives Talos what it asks for."""

    def __init__(self, recipe, folder, executor, engine, inputs, bar):
        self.recipe = recipe
        self.folder = folder
        self.executor = executor
        self.engine = engine
        self.inputs = inputs
        self.bar = bar
        self.common = folder.identity
        self.done = {record["key"]: record for record in folder.records()}
        self.running = {}
        self.best = math.inf

    def key(self, chosen):
        return jobs.key(self.recipe, chosen, self.common)

    def begin(self, chosen):
        """Hands a round to a worker, unless it is done or running."""
        key = self.key(chosen)
        if key in self.done or any(
            key == other for other, _ in self.running.values()
        ):
            return
        shared = self.engine.shares_folder
        job = jobs.job(
            self.recipe, chosen, self.folder.scratch(key) if shared else None
        )
        future = self.executor.submit(
            worker.run_round, job, self.engine.capture
        )
        self.running[future] = key, chosen

    def model(self, x, y, x_val, y_val, chosen):
        """What Talos calls for a round: its history, and figures at its best
        epoch, which Talos would take from the last one."""
        check_positions(self.inputs, x, x_val)
        key = self.key(chosen)
        self.begin(chosen)
        while key not in self.done:
            ended, _ = futures.wait(
                self.running, return_when=futures.FIRST_COMPLETED
            )
            for future in ended:
                self._keep(future, *self.running.pop(future))
        self.bar.advance(1)
        record = self.done[key]
        self._tell(record)
        return talos_round(
            record, self.folder.history(key), self.recipe.objective
        )

    def _keep(self, future, key, chosen):
        error = future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error
        record = future.result() if error is None else _killed(error)
        self.done[key] = self.folder.save(key, chosen, record)

    def _tell(self, record):
        """A line on the terminal: what was tried, and what came out."""
        shown = ", ".join(f"{k}={text(v)}" for k, v in record["chosen"].items())
        if record["status"] != "complete":
            self.bar.describe(f"{shown}: failed: {record['reason'][:100]}")
            return
        objective = self.recipe.objective
        value = objective.value(record)
        self.best = min(self.best, objective.sign * value)
        self.bar.describe(
            f"{shown}: {objective} {value:.4f} "
            f"(best {objective.sign * self.best:.4f})"
        )


def _killed(error):
    """The record of a round whose process ended without a word."""
    record = worker.failure(error)
    if isinstance(error, futures.BrokenExecutor) or (
        type(error).__name__ == "KilledWorker"
    ):
        record["reason"] = (
            "the worker process ended, most often because memory was "
            f"exhausted; {record['reason']}"[:500]
        )
    return record


def check_positions(inputs, x, x_val):
    """Raises unless Talos passed on the split by patient as it is."""
    if not (
        np.array_equal(x, inputs["x"])
        and np.array_equal(x_val, inputs["x_val"])
    ):
        raise UmsrepError(
            "Talos passed other images than the split by patient: its own "
            "val_split puts images of one patient on both sides. Pass x, y, "
            "x_val and y_val of `talos_inputs` unchanged."
        )


def talos_round(record, history, objective):
    """A round as Talos takes it: {"history", "metrics"}.

    Args:
        record: Of a round.
        history: {column: one value per epoch}.
        objective: An `Objective`.
    """
    if record["status"] != "complete":
        return {"history": {}, "metrics": {"objective": math.nan}}
    return {
        "history": history,
        "metrics": {
            **{k: _number(v) for k, v in record["at_best"].items()},
            "objective": objective.value(record),
            "val_loss": sum(record["losses"].values()),
            "epochs_run": record["epochs_run"],
            "parameters": record["parameters"],
        },
    }


def _number(value):
    return math.nan if value is None else value
