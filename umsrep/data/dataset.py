"""A prepared data set in memory: a table, and pictures read when needed."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from umsrep.data import gaze, prepared
from umsrep.data import scale as scales
from umsrep.data.splitting import split_patients
from umsrep.errors import UmsrepError

SPLITS = ("train", "validation", "test")


def load(folder):
    """Loads a prepared data set (`umsrep prepare`).

    Args:
        folder: The folder with dataset.json and manifest.csv; a `Dataset` is
            returned as it is.

    Raises:
        UmsrepError: the folder is not a whole prepared data set of this
            version.
    """
    if isinstance(folder, Dataset):
        return folder
    path = Path(folder)
    header = prepared.read_header(path)
    try:
        table = pd.read_csv(
            path / "manifest.csv", dtype=str, keep_default_na=False
        )
    except (OSError, ValueError) as error:
        raise UmsrepError(
            f"{path / 'manifest.csv'} cannot be read ({error}). Prepare the "
            "data set again."
        ) from error
    tasks = prepared.tasks_of(header)
    columns = {"image", "patient", "split", *tasks}
    columns.update(prepared.scale_columns(header))
    missing = columns - set(table.columns)
    if missing:
        raise UmsrepError(
            f"{path / 'manifest.csv'} has no column {sorted(missing)[0]!r}. "
            "Prepare the data set again."
        )
    # Tells an image again, whatever its data set is called.
    table["checksum"] = table["image"].map(header["checksums"]).fillna("")
    # Into the table, as all that follows an image into its subset.
    for axis, unit in header.get("scales", {}).items():
        table[f"{axis}_unit"] = unit
    dataset = Dataset(
        name=header["name"],
        tasks=tasks,
        table=table,
        store=_Pictures(path, table, tasks, header["preprocessing"]["size"]),
        folders=(prepared.PreparedFolder(path, header, len(table)),),
    )
    for name, task in tasks.items():
        if task.kind == "label":
            try:
                dataset.labels(name)
            except UmsrepError as error:
                raise UmsrepError(f"{path / 'manifest.csv'}: {error}") from None
    return dataset


def concatenate(datasets):
    """One data set of several, with `<name>/` before images and patients.

    Args:
        datasets: Data sets of one image size. A task that several have must
            have the same classes, and a scale's axis the same unit.
    """
    datasets = list(datasets)
    if len(datasets) == 1:
        return datasets[0]
    sizes = {dataset.image_size for dataset in datasets}
    if len(sizes) > 1:
        raise UmsrepError(
            f"The data sets have the image sizes {sorted(sizes)}. Prepare "
            "them at one --size."
        )
    names = [dataset.name for dataset in datasets]
    if len(set(names)) < len(names):
        raise UmsrepError(
            f"The data sets are named {names}. Pass each data set once."
        )
    tasks, units, tables = {}, {}, []
    for dataset in datasets:
        for name, task in dataset.tasks.items():
            if tasks.setdefault(name, task) != task:
                raise UmsrepError(
                    f"Task '{name}' has other classes in '{dataset.name}' "
                    "than in the data sets before it. Rename one of them."
                )
        for axis, unit in dataset.scale_units.items():
            if units.setdefault(axis, unit) != unit:
                raise UmsrepError(
                    f"The {axis} scale is in {unit} in '{dataset.name}' and "
                    f"in {units[axis]} in the data sets before it. Prepare "
                    "one of them again with the other unit."
                )
        table = dataset.table.copy()
        for column in ("image", "patient"):
            table[column] = dataset.name + "/" + table[column]
        tables.append(table)
    table = pd.concat(tables, ignore_index=True).fillna("")
    return Dataset(
        "+".join(names),
        tasks,
        table,
        _Joined([(dataset.store, dataset.rows) for dataset in datasets]),
        folders=[f for dataset in datasets for f in dataset.folders],
    )


class Dataset:
    """Images with one patient each, and labels that may be missing.

    Attributes:
        name: Name of the data set.
        tasks: {task: TaskSpec}.
        table: One row per image: image, patient, split and a column per task
            (class name, or file of the mask or map; empty where unlabelled).
        folders: `PreparedFolder`s that the images come from, also those of a
            subset; empty if they were never on disk.
    """

    def __init__(self, name, tasks, table, store, rows=None, folders=()):
        self.name = name
        self.tasks = dict(tasks)
        self.table = table.reset_index(drop=True)
        self.store = store
        self.rows = np.arange(len(table)) if rows is None else np.asarray(rows)
        self.folders = tuple(folders)

    def _with(self, **changes):
        names = ("name", "tasks", "table", "store", "rows", "folders")
        parts = {name: getattr(self, name) for name in names}
        return Dataset(**{**parts, **changes})

    def __len__(self):
        return len(self.table)

    def __repr__(self):
        return f"Dataset('{self.name}', {len(self)} images, {self.tasks})"

    def summary(self):
        """A row per task: its kind, how many images have it, its classes.

        Returns:
            Data frame: task, kind, labelled (images with a label, mask or
            map), patients (theirs), classes (with their numbers of images).
        """
        rows = []
        for name, task in self.tasks.items():
            labelled = self.labelled(name)
            counts = self.table[name].value_counts()
            rows.append(
                {
                    "task": name,
                    "kind": task.kind,
                    "labelled": int(labelled.sum()),
                    "patients": self.table["patient"][labelled].nunique(),
                    "classes": ", ".join(
                        f"{one} ({counts.get(one, 0)})" for one in task.classes
                    ),
                }
            )
        return pd.DataFrame(rows)

    @property
    def image_size(self):
        """(height, width) of every image."""
        return self.store.size

    @property
    def images(self):
        """All images, (n, height, width, 1) uint8."""
        return np.stack([self.image(i) for i in range(len(self))])[..., None]

    def image(self, index):
        """Image number `index`, (height, width) uint8."""
        return self.store.image(self.rows[index])

    def mask(self, task, index):
        """Mask of `task`, (height, width) uint8 in {0, 1}, or None."""
        return self.store.mask(task, self.rows[index])

    def map(self, task, index):
        """Map of `task`, (height, width) float32 of sum 1, or None."""
        return self.store.map(task, self.rows[index])

    def fixations(self, task, index):
        """Fixations behind the map of `task`, or None where unknown.

        Returns:
            Data frame: observer, x, y (pixels of the prepared image from its
            top-left corner, continuous), duration_ms.
        """
        return self.store.fixations(task, self.rows[index])

    @property
    def scale_units(self):
        """{axis: unit} of the scales; empty without any."""
        return {
            axis: unit
            for axis in scales.AXES
            for unit in set(self.table.get(f"{axis}_unit", ())) - {""}
        }

    def scale(self, index):
        """What the pixels of an image measure, or None where unknown.

        Returns:
            `umsrep.data.Scale` in pixels of the prepared image.
        """
        row = self.table.iloc[index]
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

    def with_attention(self, name, label, sources, grid):
        """The data set with a task more: attention, to supervise CAMs.

        Args:
            name: Of the new task, such as "finding_attention".
            label: A label task.
            sources: A map or mask task where maps should be bright, or {class:
                map or mask task}; images of other classes, and images without
                the source, are unlabelled.
            grid: (rows, columns) of the class activation maps.

        Raises:
            UmsrepError: an unknown task or class, or one of another kind.
        """
        classes = self.task(label).classes
        if self.task(label).kind != "label":
            raise UmsrepError(
                f"'{label}' is a {self.task(label).kind} task; attention "
                "supervises the maps of a label task. Name one."
            )
        if isinstance(sources, str):
            sources = dict.fromkeys(classes, sources)
        for one, source in sources.items():
            if one not in classes:
                raise UmsrepError(
                    f"Attention names the class '{one}', but '{label}' has "
                    f"{', '.join(classes)}. Use their names."
                )
            if self.task(source).kind not in ("mask", "map"):
                raise UmsrepError(
                    f"Attention of class '{one}' comes from '{source}', a "
                    f"{self.task(source).kind} task. Name a mask or map task."
                )
        spec = prepared.AttentionSpec(
            name,
            "attention",
            label=label,
            sources=tuple(sources.items()),
            grid=tuple(grid),
        )
        table = self.table.copy()
        table[name] = ""
        for one, source in sources.items():
            of_class = table[label] == one
            table.loc[of_class, name] = table.loc[of_class, source]
        return self._with(tasks={**self.tasks, name: spec}, table=table)

    def task(self, name):
        """The TaskSpec of `name`; a miss lists what exists."""
        if name not in self.tasks:
            raise UmsrepError(
                f"Data set '{self.name}' has no task '{name}'. Its tasks: "
                f"{', '.join(self.tasks) or 'none'}."
            )
        return self.tasks[name]

    def labelled(self, task):
        """(n,) bool: which images have a label or mask of `task`."""
        self.task(task)
        return (self.table[task] != "").to_numpy()

    def labels(self, task):
        """(n,) int: class index of each image, -1 where unlabelled."""
        classes = self.task(task).classes
        index = {name: number for number, name in enumerate(classes)}
        values = self.table[task]
        unknown = ~values.isin({*index, ""})
        if unknown.any():
            row = self.table[unknown].iloc[0]
            raise UmsrepError(
                f"Data set '{self.name}', task '{task}', image "
                f"{row['image']}: label '{row[task]}' is none of its classes "
                f"({', '.join(classes)}). Mend the label in the source and "
                "prepare the data again."
            )
        return values.map(lambda value: index.get(value, -1)).to_numpy()

    def subset(self, which):
        """The images at integer positions or where a bool array is true."""
        which = np.asarray(which)
        if which.dtype == bool:
            which = np.flatnonzero(which)
        return self._with(table=self.table.iloc[which], rows=self.rows[which])

    def examples(self, task, each=1, classes=None):
        """The first images of each class, to look at.

        Args:
            task: A label task.
            each: How many of each class; fewer where there are no more.
            classes: Names of classes, in order; None is all.

        Raises:
            UmsrepError: an unknown class, or a task without classes.
        """
        known = self.task(task).classes
        classes = known if classes is None else classes
        unknown = [one for one in classes if one not in known]
        if unknown or not known:
            raise UmsrepError(
                f"Task '{task}' has the classes {', '.join(known) or 'none'}"
                f"; asked for {', '.join(classes) or 'them'}. Name some of "
                "its classes, or another label task."
            )
        labels = self.table[task].to_numpy()
        found = [np.flatnonzero(labels == one)[:each] for one in classes]
        return self.subset(np.concatenate(found))

    def named_split(self, name):
        """The images whose manifest says `split` is `name`."""
        return self.subset((self.table["split"] == name).to_numpy())

    def split(
        self,
        by="patient",
        fractions=(0.7, 0.1, 0.2),
        seed=0,
        extend_test=False,
    ):
        """Train, validation and test sets that share no patient.

        Images that the manifest puts into "test" or "validation" stay there;
        the others are divided by patient, stratified by their labels, into
        the shares `fractions`. The same data, fractions and seed give the
        same split in every command.

        Args:
            by: "patient"; splitting images of one patient apart is refused.
            fractions: (train, validation, test), summing to 1.
            seed: Of the division.
            extend_test: Where the manifest holds a test set, add the share
                for test to it; otherwise that share goes to train.
        """
        if by != "patient":
            raise UmsrepError(
                f"by='{by}': images of one patient on both sides of a split "
                "make the numbers worthless. Use by='patient'."
            )
        names = split_patients(
            self.table, self.tasks, fractions, seed, extend_test
        )
        return tuple(self.subset(names == name) for name in SPLITS)

    def with_store(self, store):
        """The same table over other pictures.

        Args:
            store: An object such as `OtherImages(self.store)`.
        """
        return self._with(store=store)

    def batches(self, batch_size=16, **options):
        """Batches for `fit`; options as `data.Batches`."""
        # Keras is slow to import and not needed to prepare or verify.
        from umsrep.data.batches import Batches

        return Batches(self, batch_size, **options)

    def require(self, tasks, what):
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
            if spec.kind == "label":
                found = np.unique(self.labels(task))
                found = found[found >= 0]
                if len(found) < 2:
                    raise UmsrepError(
                        f"Task '{task}': all {count} labelled {what} images "
                        f"of '{self.name}' are '{spec.classes[found[0]]}'. "
                        "Expected at least two classes; choose other split "
                        "fractions, or leave the task out."
                    )


# Decoded pictures kept per data set; any more are read again from the disk,
# so that a large set does not fill the memory.
CACHE_BYTES = 2**30


class OtherImages:
    """A store with the targets of another and images of its own (abstract).

    A subclass implements `image(row)`.

    Args:
        store: The other store.
    """

    def __init__(self, store):
        self.store = store
        self.size = store.size

    def mask(self, task, row):
        return self.store.mask(task, row)

    def map(self, task, row):
        return self.store.map(task, row)

    def fixations(self, task, row):
        return self.store.fixations(task, row)


class _Pictures:
    """Images, masks and maps of one folder, decoded at first use and kept."""

    def __init__(self, path, table, tasks, size):
        self.path = path
        self.size = tuple(size)
        self._images = table["image"].tolist()
        self._files = {
            name: table[name].tolist()
            for name, task in tasks.items()
            if task.kind != "label"
        }
        self._fixations = {}
        self._cache = {}
        self._room = CACHE_BYTES

    def image(self, row):
        return self._read(self._images[row])

    def mask(self, task, row):
        file = self._file(task, row)
        if file is None:
            return None
        return (self._read(file) > 127).astype(np.uint8)

    def map(self, task, row):
        file = self._file(task, row)
        if file is None:
            return None
        depth = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
        return gaze.normalized(self._read(file, depth))

    def fixations(self, task, row):
        if task not in self._fixations:
            self._fixations[task] = self._read_fixations(task)
        return self._fixations[task].get(self._images[row])

    def _read_fixations(self, task):
        path = self.path / "fixations" / f"{task}.csv"
        if not path.exists():
            return {}
        try:
            table = pd.read_csv(path, dtype={"image": str, "observer": str})
            groups = table.groupby("image", sort=False)
            columns = list(gaze.COLUMNS)
            return {
                image: rows[columns].reset_index(drop=True)
                for image, rows in groups
            }
        except (OSError, ValueError, KeyError) as error:
            raise UmsrepError(
                f"{path} cannot be read ({error}). Run `umsrep verify`, or "
                "prepare the data set again."
            ) from error

    def _file(self, task, row):
        return self._files[task][row] or None if task in self._files else None

    def _read(self, name, flags=cv2.IMREAD_GRAYSCALE):
        picture = self._cache.get(name)
        if picture is None:
            picture = cv2.imread(str(self.path / name), flags)
            if picture is None or picture.shape != self.size:
                found = "nothing readable"
                if picture is not None:
                    found = f"{picture.shape[0]}x{picture.shape[1]} pixels"
                raise UmsrepError(
                    f"{self.path / name}: expected a picture of "
                    f"{self.size[0]}x{self.size[1]} pixels, found {found}. "
                    "Run `umsrep verify`, or prepare the data set again."
                )
            if self._room >= picture.nbytes:
                # All pictures are wanted equally often, so which ones are
                # kept does not matter.
                self._room -= picture.nbytes
                self._cache[name] = picture
        return picture


class _Joined:
    """Pictures of several data sets, in order."""

    def __init__(self, parts):
        self.size = parts[0][0].size
        self._rows = [(store, row) for store, rows in parts for row in rows]

    def image(self, row):
        store, inner = self._rows[row]
        return store.image(inner)

    def mask(self, task, row):
        store, inner = self._rows[row]
        return store.mask(task, inner)

    def map(self, task, row):
        store, inner = self._rows[row]
        return store.map(task, inner)

    def fixations(self, task, row):
        store, inner = self._rows[row]
        return store.fixations(task, inner)
