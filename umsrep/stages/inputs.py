"""What a fine-tuning starts from: data, runs of `pretrain`, the split."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from umsrep import runs
from umsrep.data import Dataset, intensities, load, participants
from umsrep.data.dataset import SPLITS
from umsrep.data.few_labels import few_labels
from umsrep.data.folding import fold_of
from umsrep.data.owners import with_copies
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.runs import stage_one
from umsrep.stages import copies
from umsrep.stages.settings import FinetuneSettings
from umsrep.stages.unseen import Unseen

if TYPE_CHECKING:
    from umsrep.model import MultiTaskModel


class Inputs:
    """What a fine-tuning starts from, checked before anything is written.

    Args:
        whole: A `data.Dataset`.
        tasks, representation, denoise_with, leave_out: As in `finetune`.

    Attributes:
        tasks: Names of the tasks.
        specs: Their `data.TaskSpec`s.
        source: The `runs.Run` of the representation, or None.
        denoising: The `runs.Run` of the model that denoises, or None.
        unseen: `Unseen` images of the data set.
        config: Their entries in the settings of the run.
    """

    def __init__(
        self,
        whole: Dataset,
        tasks: Sequence[str] | None,
        representation: str | Path | None,
        denoise_with: str | Path | None,
        leave_out: str | Path | None,
    ) -> None:
        # Looked for once, where the data set does not say.
        self.whole = whole = with_copies(whole)
        self.tasks = tuple(tasks or whole.tasks)
        if not self.tasks:
            raise UmsrepError(
                f"Data set '{whole.name}' has no task to learn. Add labels or "
                "masks to its source and prepare it again."
            )
        if len(set(self.tasks)) < len(self.tasks):
            raise UmsrepError(f"tasks={self.tasks}: name each task once.")
        self.specs = [whole.task(task) for task in self.tasks]
        self.source = source(representation, whole, "representation")
        self.denoising = source(denoise_with, whole, "denoise_with")
        denoising = self.denoising
        if denoising is not None and runs.DENOISING not in denoising.tasks:
            raise UmsrepError(
                f"denoise_with={denoise_with} was constructed on "
                f"'{denoising.tasks[0]}' and removes no noise. Pass a "
                "run folder of `umsrep pretrain` without --task."
            )
        self.unseen = _unseen(whole, self.source, leave_out)
        self.config = {
            "data": str(runs.prepared_folder(whole).path),
            "tasks": self.tasks,
            "representation": representation and str(representation),
            "denoise_with": denoise_with and str(denoise_with),
            "leave_out": leave_out and str(leave_out),
            "fingerprints": runs.fingerprints(
                [whole], [representation, denoise_with, leave_out]
            ),
        }

    def split(self, settings: FinetuneSettings) -> dict[str, Dataset]:
        """{"train", "validation", "test": `data.Dataset`}, by patient.

        Where the settings say how many patients are labelled, the training
        images of the others are a side of their own, "unlabelled".

        Raises:
            UmsrepError: a task cannot be learnt from what is left.
        """
        splits = _split(self.unseen, settings, self.tasks)
        self.unseen.require(self.tasks, splits)
        return splits

    @property
    def denoiser(self) -> "MultiTaskModel | None":
        """The model that every image goes through first, or None."""
        return None if self.denoising is None else self.denoising.model()

    @property
    def stage_one(self) -> pd.DataFrame:
        """stage_one.csv: what the models it starts from have learnt from."""
        return stage_one.learnt_from(
            {"representation": self.source, "denoiser": self.denoising}
        )

    def warn_of_seen(self, test: Dataset) -> None:
        """Says so if a model was learnt on this run's test images."""
        found = stage_one.seen(self.stage_one, test)
        for words in stage_one.in_words(found):
            print(
                f"Warning: {words} Use the same --fractions and --seed in "
                "both commands.",
                file=sys.stderr,
            )

    def seen_by_network(self, splits: Mapping[str, Dataset]) -> list[Dataset]:
        """(training, validation) images as the network gets them."""
        chosen = [splits["train"], splits["validation"]]
        if self.denoising is None:
            return chosen
        return [predict.denoise(self.denoiser, images) for images in chosen]

    def entries(self, splits: Mapping[str, Dataset]) -> dict[str, Any]:
        """Their entries of run.json."""
        left_out = len(self.whole) - len(self.unseen.data)
        header = runs.prepared_folder(self.whole).header
        return {
            "cohort": participants.cohort(splits).to_dict("records"),
            "exclusions": participants.exclusions(header, left_out),
            "tasks": list(self.tasks),
            "task_specs": {spec.name: spec.to_json() for spec in self.specs},
            "data": runs.describe_data([self.whole]),
            "intensities": _intensities(splits["train"]),
            "labelled_patients_by_task": self._labelled_patients(
                splits["train"]
            ),
            "images": {
                **{name: len(images) for name, images in splits.items()},
                "left_out": left_out,
            },
            "copies": copies.facts([self.unseen.data], splits),
            "seen_in_stage_one": stage_one.seen(self.stage_one, splits["test"]),
        }

    def _labelled_patients(self, training: Dataset) -> dict[str, int]:
        """{task: patients to train on with a label of it}."""
        whose = training.table["patient"]
        return {
            task: int(whose[training.labelled(task)].nunique())
            for task in self.tasks
        }


def splits(
    data: str | Path | Dataset,
    settings: FinetuneSettings,
    representation: str | Path | None = None,
    leave_out: str | Path | None = None,
    tasks: Sequence[str] | None = None,
) -> dict[str, Dataset]:
    """The split that `finetune` with these arguments trains on.

    Of several folds it is the first one's, unless the settings name one.

    Returns:
        {"train", "validation", "test": `data.Dataset`}, by patient; also
        "unlabelled", as of `Inputs.split`.
    """
    source = _pretraining(representation, "representation")
    whole = load(data)
    unseen = _unseen(whole, source, leave_out)
    return _split(unseen, settings, tasks or tuple(whole.tasks))


def _split(unseen, settings, tasks):
    """{"train", "validation", "test", "unlabelled": `data.Dataset`}."""
    seed = settings.split_seed
    seed = settings.seed if seed is None else seed
    if settings.folds is None:
        parts = unseen.data.split(fractions=settings.fractions, seed=seed)
    else:
        parts = fold_of(
            unseen.data,
            settings.fold or 1,
            settings.folds,
            settings.fractions,
            seed,
        )
    splits = dict(zip(SPLITS, parts, strict=True))
    if settings.labelled_patients is None:
        return splits
    whole = splits["train"]
    # Of the training's own seed, so that repeats on one split differ.
    chosen = few_labels(whole, tasks, settings.labelled_patients, settings.seed)
    others = whole.subset(~np.isin(whole.rows, chosen.rows))
    splits["train"] = chosen
    # A side of its own, so that split.csv and run.json tell of it.
    return {**splits, runs.UNLABELLED: others} if len(others) else splits


def _unseen(whole, source, leave_out):
    labelled = source is not None and source.has_labels
    return Unseen(
        whole,
        [
            source if labelled else None,
            _pretraining(leave_out, "leave_out"),
        ],
    )


def _pretraining(folder, argument):
    """The run of stage 1 in `folder`, or None."""
    if folder is None:
        return None
    run = runs.Run(folder)
    if run.info["kind"] != "pretrain":
        raise UmsrepError(
            f"{argument}={folder} is a run of `umsrep {run.info['kind']}`. "
            "Pass a run folder of `umsrep pretrain`."
        )
    return run


def source(
    folder: str | Path | None, dataset: Dataset, argument: str
) -> runs.Run | None:
    """The run of stage 1 in `folder`, whose model fits the images.

    Args:
        folder: A run folder of `pretrain`, or None.
        dataset: The images.
        argument: What the folder was given for, for messages.

    Returns:
        A `runs.Run`, or None.
    """
    run = _pretraining(folder, argument)
    if run is None:
        return None
    size = run.model().representation.image_shape[:2]
    if size != tuple(dataset.image_size):
        raise UmsrepError(
            f"{argument}={folder} takes images of {size[0]}x{size[1]}, but "
            f"those of '{dataset.name}' are {dataset.image_size[0]}x"
            f"{dataset.image_size[1]}. Prepare the data with --size {size[0]}."
        )
    return run


def _intensities(training):
    """What the images trained on look like, to warn of others later."""
    preprocessing = runs.prepared_folder(training).header["preprocessing"]
    return intensities.measure(
        (training.image(index) for index in range(len(training))),
        preprocessing.get("source_sizes"),
    )
