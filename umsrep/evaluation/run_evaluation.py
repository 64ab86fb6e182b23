"""`umsrep evaluate`: a run on a data set -> predictions, metrics, pictures."""

import copy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from umsrep import data, runs
from umsrep.data import storage
from umsrep.data.dataset import OtherImages
from umsrep.data.images import write_png
from umsrep.data.prepared import TaskSpec, read_header
from umsrep.data.shifts import simulated_shifts
from umsrep.errors import UmsrepError
from umsrep.evaluation import (
    calibration,
    example_pictures,
    gaze_reference,
    predict,
    table_metrics,
)
from umsrep.evaluation import components as components_filter
from umsrep.finetuning.separate import SeparateModels

SPLITS = ("train", "validation", "test")
FORMAT = "umsrep-evaluation"
FORMAT_VERSION = 1


class EmptySplit(UmsrepError):
    """The data set has no image in the split that was asked for."""


def evaluate_run(
    run_folder,
    data_folder,
    out,
    split=None,
    save_masks=False,
    blank_outside=None,
    shift=None,
    components=None,
    bootstrap=1000,
):
    """Evaluates a fine-tuned run and writes an evaluation folder.

    Args:
        run_folder: A run of `finetune`.
        data_folder: A prepared data set. If the run was trained on it, the
            run's own split is used.
        out: The folder to write.
        split: "train", "validation" or "test"; default: "test" where the data
            has one, else all images.
        save_masks: Write each predicted mask as PNG (0/255).
        blank_outside: A mask task: everything outside its reference mask is
            made black first, to see what a classifier owes to the rest of
            the image. Images without the mask are left out.
        shift: Name of a simulated shift (`data.simulated_shifts`), for
            choosing settings on validation images.
        components: {mask task: how many of its largest components count}, or
            None for all of them.
        bootstrap: Patient-clustered resamples for the intervals.

    Returns:
        {task: {metric: value, <metric>_ci95: [low, high]}}.
    """
    subject = Subject(run_folder, data_folder, split)
    if shift is not None:
        subject = subject.shifted(shift)
    if blank_outside is not None:
        subject = subject.blanked(blank_outside)
    dataset, seen, specs = subject.dataset, subject.seen, subject.specs
    run, network = subject.run, subject.network
    with storage.new_folder(out) as folder:
        outputs = components_filter.clean(
            predict.probabilities(network, seen, progress=True), components
        )
        table = predict.table(
            *(outputs, dataset, specs, subject.calibrations),
            subject.references,
        )
        metrics = table_metrics.all_metrics(table, specs, bootstrap=bootstrap)
        table.to_csv(folder / "predictions.csv", index=False)
        storage.write_json(folder / "metrics.json", metrics)
        if (run.path / "history.csv").exists():
            shutil.copy(run.path / "history.csv", folder / "history.csv")
        pictures = example_pictures.write(
            folder, dataset, seen, network, table, outputs, specs
        )
        storage.write_json(folder / "pictures" / "pictures.json", pictures)
        if save_masks:
            _write_masks(folder, dataset, outputs, specs)
        storage.write_json(
            folder / "evaluation.json",
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "run": {**run.info, "folder": str(run.path)},
                "data": runs.describe_data([data_folder])[0],
                "split": subject.split,
                "components": components,
                "blank_outside": blank_outside,
                "shift": shift,
                "images": len(dataset),
                "tasks": {
                    spec.name: {"kind": spec.kind, "classes": spec.classes}
                    for spec in specs
                },
                "history": "history.csv",
                "bootstrap": bootstrap,
                "versions": runs.versions(),
            },
        )
    return metrics


class Subject:
    """A run and the images it is to be evaluated on, checked.

    Args:
        run_folder, data_folder, split: As `evaluate_run`.

    Attributes:
        run: The `runs.Run`.
        network: Its model, or its `SeparateModels`.
        specs: `TaskSpec`s of its tasks.
        calibrations: {label task: `Calibration`}.
        references: {map task: `GazeReference`} of the training images.
        dataset: The images, as a `data.Dataset`.
        split: The name of their split, or None.
    """

    def __init__(self, run_folder, data_folder, split=None):
        run = runs.Run(run_folder)
        if run.info["kind"] != "finetune":
            raise UmsrepError(
                f"{run_folder} is a run of `umsrep {run.info['kind']}`, which "
                "has no target tasks. Its metrics are in its metrics.json; "
                "evaluate a run of `umsrep finetune`."
            )
        whole = data.load(data_folder)
        self.run = run
        self.network = network_of(run)
        size = tuple(self.network.representation.image_shape[:2])
        if tuple(whole.image_size) != size:
            raise UmsrepError(
                f"{data_folder} has images of {whole.image_size[0]}x"
                f"{whole.image_size[1]}, but {run_folder} takes {size[0]}x"
                f"{size[1]}. Prepare the data with --size {size[0]}."
            )
        _check_fit(run, data_folder)
        self.dataset, self.split = _images(run, whole, split)
        self.specs = specs_of(run)
        _check_tasks(self.specs, self.dataset)
        self.calibrations = calibrations_of(run)
        self.references = gaze_reference.load(run.path, self.specs)
        self._denoiser = run.denoiser()

    @property
    def seen(self):
        """The images as the network gets them: denoised, if the run says."""
        if self._denoiser is None:
            return self.dataset
        return predict.denoise(self._denoiser, self.dataset)

    def shifted(self, name):
        """The same with images under a simulated shift; None changes none."""
        if name is None:
            return self
        store = _Shifted(self.dataset.store, _shift(name))
        return self._with(self.dataset.with_store(store))

    def blanked(self, task):
        """The same, black outside the masks of `task`."""
        dataset = self.dataset
        if dataset.task(task).kind != "mask":
            raise UmsrepError(
                f"blank_outside='{task}' is no mask task. Name one."
            )
        dataset = dataset.subset(dataset.labelled(task))
        if not len(dataset):
            raise UmsrepError(
                f"No image of '{dataset.name}' has a mask of '{task}'. Leave "
                "--blank-outside out."
            )
        return self._with(dataset.with_store(_Blanked(dataset.store, task)))

    def _with(self, dataset):
        result = copy.copy(self)
        result.dataset = dataset
        return result


def _check_fit(run, data_folder):
    """Raises if the data's pictures were fitted otherwise than the run's."""
    header = read_header(data_folder)
    found = header["preprocessing"].get("fit", "stretch")
    for entry in run.info["data"]:
        wanted = entry.get("fit", "stretch")
        if wanted != found:
            raise UmsrepError(
                f"{data_folder} was prepared with --fit {found}, but "
                f"{run.path} was trained with --fit {wanted}: the anatomy "
                f"would be distorted. Prepare the data with --fit {wanted}."
            )


def specs_of(run):
    """`TaskSpec`s of a run's tasks."""
    return [
        TaskSpec(name, entry["kind"], tuple(entry.get("classes") or ()))
        for name, entry in run.info["task_specs"].items()
    ]


def calibrations_of(run):
    """{label task: `Calibration`} of a run."""
    stored = storage.read_json(run.path / "calibration.json", "calibration")
    return {
        task: calibration.Calibration(**entry) for task, entry in stored.items()
    }


def network_of(run):
    """The model of all tasks, or the separate models behind one interface."""
    if run.info["strategy"] == "separate":
        return SeparateModels([run.model(task) for task in run.tasks])
    return run.model()


def _sides(sides, dataset, trained):
    """Which split of a run each image was in; missing where in none.

    Args:
        sides: split.csv.
        dataset: The images.
        trained: Whether the run was trained on this data set. Then an image
            is known by its name, too: the same picture may be there twice, as
            of two patients, on two sides. Of another data set any copy counts,
            and one that was learnt from first.
    """
    if not trained:
        learnt = sides["split"].isin(runs.LEARNT_FROM)
        ordered = sides.iloc[np.argsort(learnt, kind="stable")]
        known = dict(zip(ordered["checksum"], ordered["split"], strict=True))
        return dataset.table["checksum"].map(known)
    known = {}
    prefix = f"{dataset.name}/"
    for name, checksum, side in zip(
        sides["image"], sides["checksum"], sides["split"], strict=True
    ):
        known[name, checksum] = side
        # A run of several data sets has their names before the images'.
        known[name.removeprefix(prefix), checksum] = side
    pairs = zip(dataset.table["image"], dataset.table["checksum"], strict=True)
    return pd.Series(
        [known.get(pair) for pair in pairs], dataset.table.index, dtype=object
    )


def _images(run, dataset, split):
    """The images to evaluate and the name of their split."""
    trained = {entry["name"] for entry in run.info["data"]}
    sides = run.split()
    side = _sides(sides, dataset, dataset.name in trained)
    if split not in (None, *SPLITS):
        raise UmsrepError(
            f"split='{split}' is unknown. Choose one of {', '.join(SPLITS)}."
        )
    if dataset.name in trained:
        if side.isna().any():
            raise UmsrepError(
                f"'{dataset.name}' is the name of a data set that {run.path} "
                f"was trained on, but {int(side.isna().sum())} of its images "
                f"are others ({dataset.table['image'][side.isna()].iloc[0]}). "
                "Evaluate on the data set as it was, or give another data "
                "set another name."
            )
        split = split or "test"
        keep = side == split
    elif side.isin(runs.LEARNT_FROM).any():
        raise UmsrepError(
            f"{int(side.isin(runs.LEARNT_FROM).sum())} images of "
            f"'{dataset.name}' are images that {run.path} was trained on. "
            f"Evaluate on '{', '.join(sorted(trained))}', of which the test "
            "split is used, or on images that were not trained on."
        )
    elif split is not None:
        keep = dataset.table["split"] == split
    else:
        has_test = (dataset.table["split"] == "test").any()
        split = "test" if has_test else None
        keep = dataset.table["split"] == (split or "")
        if split is None:
            keep = keep | True
    chosen = dataset.subset(keep.to_numpy())
    if not len(chosen):
        raise EmptySplit(
            f"Data set '{dataset.name}' has no image in the split "
            f"'{split}'. Choose another --split."
        )
    chosen.table["split"] = split or ""
    return chosen, split


def _check_tasks(specs, dataset):
    for spec in specs:
        there = dataset.tasks.get(spec.name)
        if there is not None and there != spec:
            raise UmsrepError(
                f"Task '{spec.name}' is {_words(there)} in "
                f"'{dataset.name}' but {_words(spec)} in the run. Rename the "
                "task or its classes."
            )
    if not {spec.name for spec in specs} & set(dataset.tasks):
        raise UmsrepError(
            f"Data set '{dataset.name}' has none of the run's tasks "
            f"({', '.join(spec.name for spec in specs)}). Choose a data set "
            "that has one."
        )


def _words(spec):
    if spec.kind != "label":
        return f"a {spec.kind}"
    return f"a label of {', '.join(spec.classes)}"


def _shift(name):
    shifts = simulated_shifts()
    if name not in shifts:
        raise UmsrepError(
            f"shift='{name}' is unknown. Choose one of {', '.join(shifts)}."
        )
    return shifts[name]


class _Shifted(OtherImages):
    """Images and masks under a simulated shift."""

    def __init__(self, store, shift):
        super().__init__(store)
        self.shift = shift

    def _apply(self, row, mask):
        rng = np.random.default_rng([0, row])
        return self.shift.apply(self.store.image(row), mask, rng)

    def image(self, row):
        image, _ = self._apply(row, None)
        return image.round().astype(np.uint8)

    def mask(self, task, row):
        mask = self.store.mask(task, row)
        return None if mask is None else self._apply(row, mask)[1]

    def map(self, task, row):
        # A shift moves images and masks only; a map that stayed behind would
        # be the wrong reference.
        return None

    def fixations(self, task, row):
        return None


class _Blanked(OtherImages):
    """Images that are black outside a mask."""

    def __init__(self, store, task):
        super().__init__(store)
        self.task = task

    def image(self, row):
        return self.store.image(row) * self.store.mask(self.task, row)


def _write_masks(folder, dataset, outputs, specs):
    for spec in specs:
        if spec.kind != "mask":
            continue
        for index, image in enumerate(dataset.table["image"]):
            mask = (outputs[spec.name][index] > 0.5).astype(np.uint8) * 255
            name = f"{Path(image).stem}.png"
            write_png(folder / "masks" / spec.name / name, mask)
