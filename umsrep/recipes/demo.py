"""The main job on synthetic chest X-rays, in minutes.

Source: UMS-Rep (Zamzmi et al. 2021), Section 4.1, heterogeneous tasks.
Command: `umsrep demo --out demo` (or `make demo`).
Cost: about 3 minutes on 2 CPU cores; with `--quick`, which tries every step
and learns nothing, about one.
Result: the denoiser and the lungs are learnt; the classification, and what
holds up on the other hospital's layout, need more images and epochs. The
order of the strategies says nothing about the method.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import data_prep
from umsrep.data import load, verification
from umsrep.errors import UmsrepError
from umsrep.evaluation.summary import summary_table
from umsrep.experiments.budget import equal_steps
from umsrep.phantoms.chest import layouts
from umsrep.report.page import write_report
from umsrep.stages.evaluation import evaluate_run
from umsrep.stages.finetuning import finetune
from umsrep.stages.pretraining import pretrain
from umsrep.stages.settings import FinetuneSettings, PretrainSettings

STRATEGIES = ("independent", "alternating", "joint", "separate")


@dataclass(frozen=True)
class Budget:
    """How much the demo computes.

    Attributes:
        size: Side of the prepared images, in pixels.
        images: {layout of `umsrep phantom chest`: number of images}.
        pretrain_epochs: Epochs of the denoising.
        epochs: Epochs of each fine-tuning.
    """

    size: int
    images: dict[str, int]
    pretrain_epochs: int
    epochs: int


FULL = Budget(128, {"shenzhen": 340, "montgomery": 80}, 10, 14)
QUICK = Budget(64, {"shenzhen": 60, "montgomery": 20}, 1, 1)


def demo(out, seed=0, say=print, quick=False):
    """Runs phantoms -> prepare -> pretrain -> four strategies -> report.

    Args:
        out: Folder for everything; an interrupted demo goes on where it was.
        seed: Seed of phantoms and trainings.
        say: Called with a line per step.
        quick: Take `QUICK` instead of `FULL`.

    Returns:
        (summary data frame, path of report.html).
    """
    out, budget = Path(out), QUICK if quick else FULL
    begin = time.perf_counter()

    def step(words):
        say(f"[{time.perf_counter() - begin:5.0f} s] {words}")

    prepared = {
        layout: _prepared(out, layout, images, budget.size, seed + number, step)
        for number, (layout, images) in enumerate(budget.images.items())
    }
    step("pretrain the shared representation by denoising")
    representation = out / "runs" / "representation"
    pretrain(
        [prepared["shenzhen"]],
        representation,
        PretrainSettings(
            epochs=budget.pretrain_epochs,
            stop_patience=10,
            learning_rate=2e-3,
            seed=seed,
        ),
        resume=True,
    )
    # One kind of head for all: linear ones, which frozen encoders get, would
    # make the table one of heads.
    settings = FinetuneSettings(
        classifier="dense",
        epochs=budget.epochs,
        seed=seed,
        learning_rate=2e-3,
    )
    tasks = load(prepared["shenzhen"]).tasks
    steps = equal_steps(prepared["shenzhen"], tuple(tasks), settings)
    evaluations = []
    for strategy in STRATEGIES:
        step(f"fine-tune lung and abnormality: {strategy}")
        run = out / "runs" / strategy
        finetune(
            prepared["shenzhen"],
            None,
            run,
            None if strategy == "separate" else representation,
            replace(settings, strategy=strategy, steps=steps),
            denoise_with=representation if strategy == "separate" else None,
            resume=True,
        )
        folder = out / "evaluations" / strategy
        if not folder.exists():
            step(f"evaluate {strategy} on the montgomery layout")
            evaluate_run(run, prepared["montgomery"], folder)
        evaluations.append(folder)
    step("write the report")
    folders = [representation, *evaluations]
    report = out / "report.html"
    write_report(folders, report)
    step("done")
    return summary_table(folders), report


def _prepared(out, layout, images, size, seed, step):
    """Draws, prepares and verifies one data set, unless it is there."""
    raw, prepared = out / "raw" / layout, out / "prepared" / layout
    if not raw.exists():
        step(f"{images} synthetic chest X-rays in the {layout} layout")
        # Few images and epochs: what is harder would not be learnt.
        layouts.write_chest(
            raw, layout, images, seed, size=256, difficulty="easy"
        )
    if not prepared.exists():
        step(f"prepare {layout} at {size}x{size}")
        data_prep.get(layout)(raw, prepared, size=size)
    errors = [
        finding
        for finding in verification.verify(prepared)
        if finding.severity == "error"
    ]
    if errors:
        raise UmsrepError(
            f"{prepared} does not verify: {errors[0].message}. Delete {out} "
            "and start again."
        )
    return prepared
