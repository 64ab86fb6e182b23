"""A run and the images it is evaluated on, checked against each other."""

import copy
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from umsrep import derived, runs, tasks
from umsrep.data import Dataset, load
from umsrep.data.prepared import TaskSpec
from umsrep.data.shifts import SimulatedShift, simulated_shifts
from umsrep.data.stores import OtherImages, Store
from umsrep.data.test_time_augmentation import TestTimeAugmentation
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.evaluation.fold_spread import HELD_OUT
from umsrep.runs import gaze_reference
from umsrep.runs.calibration import Calibration, CrossFitted

SPLITS = ("train", "validation", "test")


class EmptySplit(UmsrepError):
    """There is no image in the split that was asked for."""


class Subject:
    """A run and the images it is to be evaluated on, checked.

    Of the folds of a cross-validation, on the data set that they divide, each
    image is predicted by the fold that held it out, with that fold's
    temperatures and thresholds; on other images, and on a test set that the
    data set has of its own, by their ensemble.

    Args:
        run_folder: A run of `finetune`.
        data: A prepared folder, or a `data.Dataset`.
        split: "train", "validation" or "test"; default: as of
            `stages.evaluate_run`.

    Attributes:
        run: The `runs.Run`.
        specs: `TaskSpec`s of its tasks.
        calibrations: {label task: `Calibration`}, or `CrossFitted` ones.
        references: {map task: `GazeReference`} of the training images.
        dataset: The images, as a `data.Dataset`.
        split: The name of their split, or None.
        part: (n,) which fold predicts an image, from 0; all 0 otherwise.
    """

    def __init__(
        self,
        run_folder: str | Path,
        data: str | Path | Dataset,
        split: str | None = None,
    ) -> None:
        run = runs.Run(run_folder)
        if run.info["kind"] != "finetune":
            raise UmsrepError(
                f"{run_folder} is a run of `umsrep {run.info['kind']}`, which "
                "has no target tasks. Its metrics are in its metrics.json; "
                "evaluate a run of `umsrep finetune`."
            )
        whole = load(data)
        self.run = run
        if run.folds and _held_out(run, whole, split):
            self._hold_out(run.members, whole)
            return
        self._networks = [runs.network_of(run)]
        _check_size(self._networks[0], whole, run.path)
        _check_fit(run, whole)
        self.dataset, self.split = _images(run, whole, split)
        self.part = np.zeros(len(self.dataset), int)
        self.calibrations: dict[str, Calibration | CrossFitted] = {
            **run.calibrations
        }
        self._describe(run)

    @classmethod
    def of_folds(
        cls, members: Sequence[runs.Run], data: str | Path | Dataset
    ) -> Self:
        """Folds that are no run together yet, on what each held out.

        Args:
            members: The run of each fold.
            data: The data set that they divide.
        """
        found = cls.__new__(cls)
        found.run = members[0]
        found._hold_out(members, load(data))
        return found

    def _hold_out(self, members: Sequence[runs.Run], whole: Dataset) -> None:
        has_test = (whole.table["split"] == "test").any()
        held = "validation" if has_test else "test"
        fold = np.full(len(whole), -1)
        for number, member in enumerate(members):
            side = _sides(member.split(), whole, trained=True)
            mine = (side == held).to_numpy()
            if held == "validation":
                # Such as the data set has of its own, in every fold.
                mine &= (whole.table["split"] != held).to_numpy()
            fold[mine] = number
        self.dataset = whole.subset(fold >= 0)
        self.dataset.table["split"] = HELD_OUT
        self.split = HELD_OUT
        self.part = fold[fold >= 0]
        self._networks = [runs.network_of(member) for member in members]
        _check_size(self._networks[0], whole, members[0].path)
        fitted = [member.calibrations for member in members]
        self.calibrations = {
            task: CrossFitted(self.part, tuple(f[task] for f in fitted))
            for task in fitted[0]
        }
        self._describe(members[0])

    def _describe(self, run: runs.Run) -> None:
        self.specs = run.specs
        _check_tasks(self.specs, self.dataset)
        self.references = gaze_reference.load(self.run.path, self.specs)
        self._denoiser = run.denoiser()

    @property
    def network(self) -> Any:
        """The run's model, or its `SeparateModels`.

        Raises:
            UmsrepError: several folds predict; ask `outputs` or `explain`.
        """
        if len(self._networks) > 1:
            raise UmsrepError(
                f"{self.run.path}: each image was held out by another fold, "
                "so that no single network predicts all of them. Pass the run "
                "of one fold, such as fold-1 in its folder."
            )
        return self._networks[0]

    def by_member(self, member: runs.Run) -> Self:
        """The same images, predicted by one fold instead of the ensemble."""
        result = copy.copy(self)
        result._networks = [runs.network_of(member)]
        result.calibrations = {**member.calibrations}
        return result

    def outputs(
        self, progress: bool = False, tta: TestTimeAugmentation | None = None
    ) -> dict[str, NDArray[Any]]:
        """{task: outputs} of the images, as of `predict.probabilities`."""
        seen = self.seen
        found: dict[str, NDArray[Any]] = {}
        for number, network in enumerate(self._networks):
            rows = np.flatnonzero(self.part == number)
            if not len(rows):
                continue
            part = predict.probabilities(
                network, seen.subset(rows), progress, tta
            )
            for task, values in part.items():
                if task not in found:
                    shape = (len(seen), *values.shape[1:])
                    found[task] = np.empty(shape, values.dtype)
                found[task][rows] = values
        return found

    def explain(
        self, task: str, rows: NDArray[np.int_], classes: Sequence[int]
    ) -> NDArray[np.float32]:
        """Heat maps of some images, by the explainer of the task's head.

        Args:
            task: A label task.
            rows: Positions of the images.
            classes: The class to explain, of each.

        Returns:
            (len(rows), height, width) float32 in [0, 1].
        """
        asked = np.asarray(classes)
        heats = np.empty((len(rows), *self.dataset.image_size), np.float32)
        for number, network in enumerate(self._networks):
            mine = np.flatnonzero(self.part[rows] == number)
            if not len(mine):
                continue
            whole = hasattr(network, "models")
            model = network.view(task) if whole else network
            channels = model.representation.image_shape[-1]
            images = self.seen.subset(rows[mine]).images
            explainer = derived.registry.get(model.head(task).explainer)(task)
            heats[mine] = explainer(
                model, np.repeat(images, channels, axis=-1), asked[mine]
            )
        return heats

    def without_mask(
        self, outputs: dict[str, NDArray[Any]]
    ) -> NDArray[np.bool_] | None:
        """As of `runs.without_mask`."""
        return runs.without_mask(self._networks[0], outputs)

    @property
    def seen(self) -> Dataset:
        """The images as the network gets them: denoised, if the run says."""
        if self._denoiser is None:
            return self.dataset
        return predict.denoise(self._denoiser, self.dataset)

    def shifted(self, name: str | None) -> Self:
        """The same with images under a simulated shift; None changes none."""
        if name is None:
            return self
        moved = {
            task
            for task, spec in self.dataset.tasks.items()
            if getattr(tasks.of(spec), "discrete", False)
        }
        store = _Shifted(self.dataset.store, _shift(name), moved)
        return self._with(self.dataset.with_store(store))

    def blanked(self, task: str) -> Self:
        """The same, black outside the masks of `task`."""
        dataset = self.dataset
        if dataset.task(task).kind != "mask":
            raise UmsrepError(
                f"blank_outside='{task}' is no mask task. Name one."
            )
        kept = self._cut(dataset.labelled(task))
        dataset = kept.dataset
        if not len(dataset):
            raise UmsrepError(
                f"No image of '{dataset.name}' has a mask of '{task}'. Leave "
                "--blank-outside out."
            )
        return kept._with(dataset.with_store(_Blanked(dataset.store, task)))

    def _with(self, dataset: Dataset) -> Self:
        result = copy.copy(self)
        result.dataset = dataset
        return result

    def _cut(self, which: NDArray[np.bool_]) -> Self:
        """The same on some of the images."""
        result = self._with(self.dataset.subset(which))
        result.part = self.part[which]
        result.calibrations = {
            task: CrossFitted(result.part, fitted.fitted)
            if isinstance(fitted, CrossFitted)
            else fitted
            for task, fitted in self.calibrations.items()
        }
        return result


def _held_out(run: runs.Run, dataset: Dataset, split: str | None) -> bool:
    """Whether each image is to be predicted by the fold that held it out."""
    if dataset.name not in {entry["name"] for entry in run.info["data"]}:
        return False
    has_test = (dataset.table["split"] == "test").any()
    if split not in (None, "test"):
        raise EmptySplit(
            f"split='{split}' of a cross-validation, {run.path}: an image is "
            "trained on by one fold and held out by another. Leave --split "
            "out"
            + (
                " for the data set's own test images, or pass the run of one "
                "fold, such as fold-1 in its folder."
                if has_test
                else ": every image is then predicted by the fold that held "
                "it out."
            )
        )
    return not has_test


def _check_size(network: Any, whole: Dataset, path: Path) -> None:
    size = tuple(network.representation.image_shape[:2])
    if tuple(whole.image_size) != size:
        raise UmsrepError(
            f"Data set '{whole.name}' has images of "
            f"{whole.image_size[0]}x{whole.image_size[1]}, but "
            f"{path} takes {size[0]}x{size[1]}. Prepare the data "
            f"with --size {size[0]}."
        )


def _check_fit(run: runs.Run, dataset: Dataset) -> None:
    """Raises if the data's pictures were fitted otherwise than the run's."""
    for folder in dataset.folders:
        for entry in run.info["data"]:
            wanted = entry.get("fit", "stretch")
            if wanted != folder.fit:
                raise UmsrepError(
                    f"{folder.path} was prepared with --fit {folder.fit}, but "
                    f"{run.path} was trained with --fit {wanted}: the anatomy "
                    "would be distorted. Prepare the data with --fit "
                    f"{wanted}."
                )


def _sides(sides: pd.DataFrame, dataset: Dataset, trained: bool) -> pd.Series:
    """Which split of a run each image was in; missing where in none.

    Args:
        sides: split.csv.
        dataset: The images.
        trained: Whether the run was trained on this data set. Then an image
            is known by its name, too: the same picture may be there twice, as
            of two patients, on two sides. In another data set any copy counts,
            and one that was learnt from takes precedence.
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


def _images(
    run: runs.Run, dataset: Dataset, split: str | None
) -> tuple[Dataset, str | None]:
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


def _check_tasks(specs: Iterable[TaskSpec], dataset: Dataset) -> None:
    for spec in specs:
        there = dataset.tasks.get(spec.name)
        if there is not None and there != spec:
            raise UmsrepError(
                f"Task '{spec.name}' is {tasks.of(there).words()} in "
                f"'{dataset.name}' but {tasks.of(spec).words()} in the run. "
                "Rename the task or its classes."
            )
    if not {spec.name for spec in specs} & set(dataset.tasks):
        raise UmsrepError(
            f"Data set '{dataset.name}' has none of the run's tasks "
            f"({', '.join(spec.name for spec in specs)}). Choose a data set "
            "that has one."
        )


def _shift(name: str) -> SimulatedShift:
    shifts = simulated_shifts()
    if name not in shifts:
        raise UmsrepError(
            f"shift='{name}' is unknown. Choose one of {', '.join(shifts)}."
        )
    return shifts[name]


class _Shifted(OtherImages):
    """Images and masks under a simulated shift."""

    def __init__(
        self, store: Store, shift: SimulatedShift, moved: Collection[str]
    ) -> None:
        super().__init__(store)
        self.shift = shift
        self.moved = moved

    def _apply(
        self, row: int, mask: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        rng = np.random.default_rng([0, row])
        return self.shift.apply(self.store.image(row), mask, rng)

    def image(self, row: int) -> np.ndarray:
        image, _ = self._apply(row, None)
        return image.round().astype(np.uint8)

    def picture(self, task: str, row: int) -> np.ndarray | None:
        picture = self.store.picture(task, row)
        # A shift moves images and masks only; a map that stayed behind would
        # be the wrong reference.
        if picture is None or task not in self.moved:
            return None
        return self._apply(row, picture)[1]

    def fixations(self, task: str, row: int) -> None:
        return None


class _Blanked(OtherImages):
    """Images that are black outside a mask."""

    def __init__(self, store: Store, task: str) -> None:
        super().__init__(store)
        self.task = task

    def image(self, row: int) -> np.ndarray:
        return self.store.image(row) * self.store.picture(self.task, row)
