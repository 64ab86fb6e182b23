"""The rounds of a scan between Talos, the workers and the disk."""

import math
from concurrent import futures

import numpy as np

from umsrep.errors import UmsrepError
from umsrep.search import jobs, worker
from umsrep.search.space import text


class Rounds:
    """Begins rounds, keeps them, and gives Talos what it asks for."""

    def __init__(self, plan, folder, executor, engine, inputs, bar):
        self.plan = plan
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
        return jobs.key(self.plan, chosen, self.common)

    def begin(self, chosen):
        """Hands a round to a worker, unless it is done or running."""
        key = self.key(chosen)
        if key in self.done or any(
            key == other for other, _ in self.running.values()
        ):
            return
        shared = self.engine.shares_folder
        job = jobs.job(
            self.plan, chosen, self.folder.scratch(key) if shared else None
        )
        future = self.executor.submit(self.engine.run_round, job)
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
            record, self.folder.history(key), self.plan.objective
        )

    def _keep(self, future, key, chosen):
        record = worker.record_of(future, "repeat the command with --resume")
        self.done[key] = self.folder.save(key, chosen, record)

    def _tell(self, record):
        """A line on the terminal: what was tried, and what came out."""
        shown = ", ".join(f"{k}={text(v)}" for k, v in record["chosen"].items())
        if record["status"] != "complete":
            self.bar.describe(f"{shown}: failed: {record['reason'][:100]}")
            return
        objective = self.plan.objective
        value = objective.value(record)
        self.best = min(self.best, objective.sign * value)
        self.bar.describe(
            f"{shown}: {objective} {value:.4f} "
            f"(best {objective.sign * self.best:.4f})"
        )


def check_positions(inputs, x, x_val):
    """Raises unless Talos passed on the split by patient as it is."""
    given = {"x": x, "x_val": x_val}
    if not all(np.array_equal(given[side], inputs[side]) for side in given):
        raise UmsrepError(
            "Talos passed other images than the split by patient: its own "
            "val_split puts images of one patient on both sides. Pass x, y, "
            "x_val and y_val of `talos_inputs` unchanged."
        )


def talos_round(record, history, objective):
    """A round as Talos takes it: {"history", "metrics"}.

    Args:
        record: Record of a round.
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
