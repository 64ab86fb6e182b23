"""A prepared data set in memory: a table, and pictures read when needed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from umsrep import tasks as task_kinds
from umsrep.cells import Cells
from umsrep.data import participants
from umsrep.data import scale as scales
from umsrep.data.attention import attention_spec
from umsrep.data.frame import Frame
from umsrep.data.owners import owners
from umsrep.data.splitting import split_patients
from umsrep.errors import UmsrepError

if TYPE_CHECKING:
    from umsrep.data.batches import Batches
    from umsrep.data.prepared import PreparedFolder, TaskSpec
    from umsrep.data.stores import Store

SPLITS = ("train", "validation", "test")


class Dataset:
    """Images with one patient each, and labels that may be missing.

    Attributes:
        name: Name of the data set.
        tasks: {task: TaskSpec}.
        table: One row per image: image, patient, split and a column per task
            (a class name, a number, or the file of a mask or map; empty
            where unlabelled); `copies`, the group of images of one picture;
            `source_frame`, see `frame`, where images are padded.
        folders: `PreparedFolder`s that the images come from, also those of a
            subset; empty if they were never on disk.
    """

    def __init__(
        self,
        name: str,
        tasks: Mapping[str, "TaskSpec"],
        table: pd.DataFrame,
        store: "Store",
        rows: ArrayLike | None = None,
        folders: Iterable["PreparedFolder"] = (),
    ) -> None:
        self.name = name
        self.tasks = dict(tasks)
        self.table = table.reset_index(drop=True)
        self.store = store
        self.rows = np.arange(len(table)) if rows is None else np.asarray(rows)
        self.folders = tuple(folders)

    def _with(self, **changes: Any) -> "Dataset":
        names = ("name", "tasks", "table", "store", "rows", "folders")
        parts = {name: getattr(self, name) for name in names}
        return Dataset(**{**parts, **changes})

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Dataset('{self.name}', {len(self)} images, {self.tasks})"

    def summary(self) -> pd.DataFrame:
        """A row per task: its kind, how many images have it, its classes.

        Returns:
            Data frame: task, kind, labelled (images with a label, mask or
            map), patients (theirs), classes (with their numbers of images).
        """
        return participants.summary(self)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of every image."""
        return self.store.size

    @property
    def images(self) -> NDArray[np.uint8]:
        """All images, (n, height, width, 1) uint8."""
        return np.stack([self.image(i) for i in range(len(self))])[..., None]

    def image(self, index: int) -> NDArray[np.uint8]:
        """Image number `index`, (height, width) uint8."""
        return self.store.image(self.rows[index])

    def target(self, task: str, index: int) -> Any:
        """What `task` is to learn from one image, or None where unlabelled.

        Returns:
            Of a mask (height, width) uint8 in {0, 1}; of a map (height,
            width) float32 of sum 1; of a label its class index; a number.
        """
        kind: Any = task_kinds.of(self.task(task))
        if kind.place == task_kinds.PICTURE:
            return self.store.picture(task, self.rows[index])
        cell = self.table[task].iloc[index]
        return kind.parse([cell])[0] if cell else None

    def mask(self, task: str, index: int) -> NDArray[np.uint8] | None:
        """Mask of `task`, (height, width) uint8 in {0, 1}, or None."""
        return self.target(task, index)

    def map(self, task: str, index: int) -> NDArray[np.float32] | None:
        """Map of `task`, (height, width) float32 of sum 1, or None."""
        return self.target(task, index)

    def fixations(self, task: str, index: int) -> pd.DataFrame | None:
        """Fixations behind the map of `task`, or None where unknown.

        Returns:
            Data frame: observer, x, y (pixels of the prepared image from its
            top-left corner, continuous), duration_ms.
        """
        return self.store.fixations(task, self.rows[index])

    def frame(self, index: int) -> Frame:
        """Where the source image lies in image number `index`.

        Of a set that was stretched to its size, and of one that does not say
        how large its source images were, the whole image.
        """
        if "source_frame" in self.table:
            found = self.table["source_frame"].iloc[index]
            if isinstance(found, Frame):
                return found
        return Frame(self.image_size, self.image_size)

    @property
    def scale_units(self) -> dict[str, str]:
        """{axis: unit} of the scales; empty without any."""
        return {
            axis: unit
            for axis in scales.AXES
            for unit in set(self.table.get(f"{axis}_unit", ())) - {""}
        }

    def scale(self, index: int) -> scales.Scale | None:
        """What the pixels of an image measure, or None where unknown.

        Returns:
            `umsrep.data.Scale` in pixels of the prepared image.
        """
        row: Any = self.table.iloc[index]
        if not set(scales.COLUMNS) <= set(row.index):
            return None
        units = {
            a: row[f"{a}_unit"] for a in scales.AXES if row.get(f"{a}_unit")
        }
        try:
            return scales.from_cells(row, units)
        except UmsrepError as error:
            raise UmsrepError(
                f"Data set '{self.name}', image {row['image']}: {error} Run "
                "`umsrep verify`, or prepare the data set again."
            ) from error

    def with_attention(
        self,
        name: str,
        label: str,
        sources: str | dict[str, str],
        cells: Cells | tuple[int, int],
    ) -> "Dataset":
        """The data set with a task more: attention, to supervise CAMs.

        Args:
            name: Name of the new task, such as "finding_attention".
            label: A label task.
            sources: A map or mask task where maps should be bright, or {class:
                map or mask task}; images of other classes, and images without
                the source, are unlabelled.
            cells: Where the cells of the class activation maps lie, such as
                `model.cells("finding_cam")`; (rows, columns) tile the image.

        Raises:
            UmsrepError: an unknown task or class, one of another kind, or
                cells of images of another size.
        """
        spec = attention_spec(self, name, label, sources, cells)
        table = self.table.copy()
        table[name] = ""
        for group, source in spec.sources:
            of_class = table[label] == group
            table.loc[of_class, name] = table.loc[of_class, source]
        return self._with(tasks={**self.tasks, name: spec}, table=table)

    def task(self, name: str) -> "TaskSpec":
        """The TaskSpec of `name`; a miss lists what exists."""
        if name not in self.tasks:
            raise UmsrepError(
                f"Data set '{self.name}' has no task '{name}'. Its tasks: "
                f"{', '.join(self.tasks) or 'none'}."
            )
        return self.tasks[name]

    def labelled(self, task: str) -> NDArray[np.bool_]:
        """(n,) bool: which images have a label or mask of `task`."""
        self.task(task)
        return (self.table[task] != "").to_numpy()

    def values(self, task: str) -> NDArray:
        """The targets of a task that lie in the table, (n,).

        Of a label int class indices, -1 where unlabelled; of a number float32,
        nan where unlabelled.

        Raises:
            UmsrepError: the task's targets are pictures, or a cell holds
                none of its values.
        """
        kind: Any = task_kinds.of(self.task(task))
        if kind.place != task_kinds.CELL:
            raise UmsrepError(
                f"'{task}' is a {kind.name} task; its targets are no values "
                "of a table. Read them image by image, with target()."
            )
        _check_cells(self, task, kind)
        return kind.parse(self.table[task])

    def labels(self, task: str) -> NDArray[np.int_]:
        """(n,) int: class index of each image, -1 where unlabelled."""
        return self.values(task)

    def subset(self, which: ArrayLike) -> "Dataset":
        """The images at integer positions or where a bool array is true."""
        which = np.asarray(which)
        if which.dtype == bool:
            which = np.flatnonzero(which)
        return self._with(table=self.table.iloc[which], rows=self.rows[which])

    def examples(
        self, task: str, each: int = 1, classes: Sequence[str] | None = None
    ) -> "Dataset":
        """The first images of each class, to look at.

        Args:
            task: A label task.
            each: How many of each class; fewer where there are no more.
            classes: Names of classes, in order; None is all.

        Raises:
            UmsrepError: an unknown class, or a task without classes.
        """
        classes = _known_classes(self.task(task), classes)
        labels = self.table[task].to_numpy()
        found = [np.flatnonzero(labels == name)[:each] for name in classes]
        return self.subset(np.concatenate(found))

    def named_split(self, name: str) -> "Dataset":
        """The images whose manifest says `split` is `name`."""
        return self.subset((self.table["split"] == name).to_numpy())

    def split(
        self,
        by: str = "patient",
        fractions: Sequence[float] = (0.7, 0.1, 0.2),
        seed: int = 0,
        extend_test: bool = False,
    ) -> tuple["Dataset", ...]:
        """Train, validation and test sets that share no patient or picture.

        Images that the manifest puts into "test" or "validation" stay there;
        the others are divided by patient, stratified by their labels, into
        the shares `fractions`. The same data, fractions and seed give the
        same split in every command. Copies of a picture stay together; where
        the manifest has them on two sides, those in "test" stay (`owners`).

        Args:
            by: "patient"; splitting images of one patient apart is refused.
            fractions: (train, validation, test), summing to 1.
            seed: Seed of the division.
            extend_test: Where the manifest holds a test set, add the share
                for test to it; otherwise that share goes to train.
        """
        if by != "patient":
            raise UmsrepError(
                f"by='{by}': images of one patient on both sides of a split "
                "make the numbers worthless. Use by='patient'."
            )
        whose, table = owners(self), self.table
        names = split_patients(
            table, self.tasks, fractions, seed, extend_test, whose
        )
        return tuple(self.subset(names == name) for name in SPLITS)

    def with_store(self, store: "Store") -> "Dataset":
        """The same table over other pictures.

        Args:
            store: An object such as `OtherImages(self.store)`.
        """
        return self._with(store=store)

    def batches(self, batch_size: int = 16, **options: Any) -> "Batches":
        """Batches for `fit`; options as `data.Batches`."""
        # Keras is slow to import and not needed to prepare or verify.
        from umsrep.data.batches import Batches

        return Batches(self, batch_size, **options)

    def require(self, tasks: Iterable[str], what: str) -> None:
        """Raises unless every task can be learnt from these images.

        Args:
            tasks: Names of tasks.
            what: What the set is called in the message ("training", ...).
        """
        for task in tasks:
            spec = self.task(task)
            count = int(self.labelled(task).sum())
            if count == 0:
                raise UmsrepError(
                    f"Task '{task}' has no labelled image among the "
                    f"{len(self)} {what} images of '{self.name}'. Choose "
                    "other split fractions, or leave the task out."
                )
            cells = self.table[task][self.labelled(task)]
            task_kinds.of(spec).check_learnable(
                cells, f"{what} images of '{self.name}'"
            )


def _check_cells(
    dataset: Dataset, task: str, kind: task_kinds.CellKind
) -> None:
    """Raises at a cell of the table that its task cannot have."""
    for row, cell in enumerate(dataset.table[task]):
        if cell and (fault := kind.fault(cell)):
            raise UmsrepError(
                f"Data set '{dataset.name}', task '{task}', image "
                f"{dataset.table['image'].iloc[row]}: {fault[0]}, expected "
                f"{fault[1]}. Correct it in the source and prepare the "
                "data again."
            )


def _known_classes(
    spec: "TaskSpec", classes: Sequence[str] | None
) -> Sequence[str]:
    """The classes asked for, or all of the task; raises at others."""
    known = spec.classes
    classes = known if classes is None else classes
    unknown = [name for name in classes if name not in known]
    if unknown or not known:
        raise UmsrepError(
            f"Task '{spec.name}' has the classes {', '.join(known) or 'none'}"
            f"; asked for {', '.join(classes) or 'them'}. Name some of "
            "its classes, or another label task."
        )
    return classes
