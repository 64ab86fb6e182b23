"""Derived tasks of image files: cells of predictions.csv."""

import inspect
from pathlib import Path

from umsrep.data.scale import Scale
from umsrep.data.scale_table import read_scale_table
from umsrep.derived import registry
from umsrep.errors import UmsrepError
from umsrep.inference.listing import SUFFIXES


class DerivedOutput:
    """Cells of a derived task.

    Args:
        name: Its name, with which its columns begin.
        derived: A `DerivedTask` with `columns`.
        scales: `Scales`, or None.
    """

    def __init__(self, name, derived, scales=None):
        self.name = name
        self.derived = derived
        self.scales = scales
        self.columns = tuple(f"{name}_{column}" for column in derived.columns)

    def write(self, folder, item):
        path = item.source.path
        scale = None if self.scales is None else self.scales.of(path)
        outputs = {task: item.results[task] for task in self.derived.reads}
        try:
            cells = self.derived.cells(outputs, scale)
        except UmsrepError as error:
            item.warnings.append(f"{self.name}: {error}")
            return dict.fromkeys(self.columns, "")
        return {
            f"{self.name}_{column}": "" if value is None else value
            for column, value in cells.items()
        }


def derived_tasks(chosen, specs, thresholds):
    """{name: `DerivedTask`} of what is asked for.

    Args:
        chosen: {name: arguments}, with the names of `derived.registry`, or
            {name: `DerivedTask`}.
        specs: {task: TaskSpec} of the tasks that are predicted.
        thresholds: {task: probability or None}, as of a `Predictor`.

    Raises:
        UmsrepError: an unknown name or argument, one that has no cells, or a
            task that is not predicted.
    """
    found = {}
    for name, derived in chosen.items():
        cls = registry.get(name) if isinstance(derived, dict) else derived
        if not cls.columns:
            raise UmsrepError(
                f"--derive {name}: it gives no columns of a table. Use "
                "--explain for pictures of what speaks for a class."
            )
        if isinstance(derived, dict):
            derived = _made(name, cls, derived, specs, thresholds)
        for task in derived.reads:
            if task not in specs:
                raise UmsrepError(
                    f"--derive {name} reads the task '{task}'; there are "
                    f"{', '.join(specs)}. Name another with "
                    f"--derive-argument {name}.ARGUMENT=TASK, or add --task "
                    f"{task}."
                )
            kind = derived.kinds.get(task, specs[task].kind)
            if specs[task].kind != kind:
                raise UmsrepError(
                    f"--derive {name} reads '{task}' as a {kind} task; it is "
                    f"a {specs[task].kind} task. Name another with "
                    f"--derive-argument {name}.ARGUMENT=TASK."
                )
        found[name] = derived
    return found


def description(derived):
    """What a record says of a `DerivedTask`: its class and plain settings."""
    plain = (str, int, float, bool, tuple, list, type(None))
    settings = {k: v for k, v in vars(derived).items() if isinstance(v, plain)}
    return {"class": type(derived).__qualname__, **settings}


def _made(name, cls, arguments, specs, thresholds):
    known = inspect.signature(cls).parameters
    for argument in arguments:
        if argument not in known:
            raise UmsrepError(
                f"--derive {name}: there is no argument '{argument}'. Choose "
                f"of {', '.join(known)}."
            )
    try:
        return cls.for_tasks(specs, thresholds, **arguments)
    except TypeError as error:
        raise UmsrepError(
            f"--derive {name}: {error}. Pass what it needs with "
            f"--derive-argument {name}.ARGUMENT=VALUE."
        ) from error


class Scales:
    """What the pixels of image files measure, from a table.

    Rows name images as in scales.csv of a folder that is prepared: "a1",
    "a1.png", "ward/a1.png", without regard to case.

    Args:
        file: The table (`data.scale_table`).

    Raises:
        UmsrepError: a bad table, or two rows for an image and axis.
    """

    def __init__(self, file):
        self.file = file
        self._rows, self._found = {}, {}
        for row in read_scale_table(file):
            axes = self._rows.setdefault(_key(row.image), {})
            if row.axis in axes:
                raise UmsrepError(
                    f"{file}, line {row.line}: '{row.image}' has another "
                    f"{row.axis} scale above. Expected one row per image and "
                    "axis; keep the right one."
                )
            axes[row.axis] = row.scale

    def find(self, paths):
        """Finds the rows of some files, all that there are.

        Raises:
            UmsrepError: a row that may mean two files, or none of the files
                in the table.
        """
        meant = {}
        for path in map(Path, paths):
            axes = {}
            for key in (k for k in _keys(path) if k in self._rows):
                if key in meant:
                    raise UmsrepError(
                        f"{self.file}: '{key}' may be {meant[key]} or {path}. "
                        "Write the image with its folder."
                    )
                meant[key] = path
                twice = axes.keys() & self._rows[key].keys()
                if twice:
                    raise UmsrepError(
                        f"{self.file} has two {min(twice)} scales for {path}. "
                        "Expected one row per image and axis; keep the right "
                        "one."
                    )
                axes |= self._rows[key]
            if axes:
                self._found[path] = Scale(**axes)
        if not meant:
            raise UmsrepError(
                f"{self.file} names none of the images, such as {paths[0]}. "
                "Expected their names in the column 'image'; correct them, or "
                "leave --scales out."
            )

    def of(self, path):
        """The `umsrep.data.Scale` of an image file, or None."""
        return self._found.get(Path(path))


def _key(name):
    return name.replace("\\", "/").lower().removeprefix("./").strip("/")


def _keys(path):
    """Its names from the longest to the shortest, with suffix and without."""
    parts = path.as_posix().lower().strip("/").split("/")
    # What follows the last dot of a DICOM file's UID is no suffix.
    suffix = path.suffix.lower() if path.suffix.lower() in SUFFIXES else ""
    for start in range(len(parts)):
        name = "/".join(parts[start:])
        yield name
        if suffix:
            yield name.removesuffix(suffix)
