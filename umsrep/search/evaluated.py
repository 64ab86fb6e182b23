"""Work of an engine: a training that is kept, and its evaluations."""

import shutil
from pathlib import Path

from umsrep import runs
from umsrep.stages import settings_file
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import finetune


def train_and_evaluate(job):
    """Trains a run and evaluates it; what is there already is not made again.

    Args:
        job: Plain values: "data" (a prepared folder), "tasks", "sources" (as
            of a settings file), "settings" ({field: value}), "run" (its
            folder), "evaluations" ([{"data", "out", "options"}], the options
            being those of `evaluate_run`) and "keep_models".

    Returns:
        {"seconds" of the training}.
    """
    run = Path(job["run"])
    missing = [
        entry for entry in job["evaluations"] if not is_evaluated(entry["out"])
    ]
    if missing and _without_model(run):
        # Its models were not kept, and there is something new to evaluate.
        shutil.rmtree(run)
    finetune(
        job["data"],
        job["tasks"],
        run,
        settings=settings_file.make("finetune", job["settings"], "curve"),
        **job["sources"],
        resume=True,
        progress=False,
    )
    for entry in missing:
        evaluate_run(run, entry["data"], entry["out"], **entry["options"])
    if not job["keep_models"]:
        for file in run.glob("*.keras"):
            file.unlink()
    return {"seconds": runs.read_run(run)["seconds"]}


def is_evaluated(folder):
    """Whether an evaluation is there, whole."""
    return (Path(folder) / "evaluation.json").exists()


def _without_model(run):
    return runs.is_complete(run) and not any(run.glob("*.keras"))
