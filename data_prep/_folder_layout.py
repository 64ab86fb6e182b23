"""The layout of a user's own folder, and what was found in it."""

from dataclasses import dataclass, field

from data_prep._common import IMAGE_SUFFIXES
from umsrep import tasks
from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError

IMAGES, LABELS = "images", "labels.csv"
FIXATIONS = "fixations"
SCALES = "scales.csv"
# What such a file is usually called; it is named with --config.
CONFIG = "tasks.yaml"
# Kinds of tasks with a folder of pictures per task, {kind: folder of folders};
# masks first, as in the manifest's columns.
PICTURES = {
    name: tasks.get(name).folder
    for name in sorted(tasks.names(), key=lambda name: name != "mask")
    if tasks.get(name).place == tasks.PICTURE
}
READ = (IMAGES, *PICTURES.values(), FIXATIONS, SCALES, LABELS)
SUFFIXES = (*IMAGE_SUFFIXES, ".tif", ".tiff", ".bmp")
# Of images. What a file without an extension is, is not guessed.
DICOM = ".dcm"


@dataclass
class FolderContents:
    """What a folder holds.

    Attributes:
        layout: `Places`: where it was looked for.
        images: Image files, in order of name.
        pictures: {task: {image stem in lower case: file, or data frame of
            points}} of mask and map tasks.
        rows: {image file: `LabelRow`}.
        scales: {image file: `umsrep.data.Scale`}.
        tasks: `TaskSpec`s; masks, maps, labels.
        places: {task in lower case: what of the folder it is, in words}.
        has_table, has_patients: Whether there is a table of labels, and a
            column patient in it.
        problems: (path, message) of files and rows that cannot be used.
        warnings: What the user should know about the set as a whole.
    """

    layout: object
    images: list = field(default_factory=list)
    pictures: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)
    scales: dict = field(default_factory=dict)
    tasks: list = field(default_factory=list)
    places: dict = field(default_factory=dict)
    has_table: bool = False
    has_patients: bool = False
    problems: list = field(default_factory=list)
    warnings: list = field(default_factory=list)

    def add_task(self, source, task, place):
        """Adds a task that is new in this folder.

        Args:
            source: The folder, for the message.
            task: A `TaskSpec`.
            place: What holds it, for example "the folder masks/lung".

        Raises:
            UmsrepError: another task has this name, whatever the case.
        """
        other = self.places.setdefault(task.name.lower(), place)
        if other != place:
            raise UmsrepError(
                f"{source} has {other} and {place}. Every task needs a name "
                "of its own; rename one of them."
            )
        self.tasks.append(task)


def task_folders(folder):
    """Folders directly in `folder`, without hidden ones and leftovers."""
    return [
        below
        for below in sorted(folder.iterdir())
        if below.is_dir() and not below.name.startswith((".", "__MACOSX"))
    ]


def task_of(path, kind):
    """The task that a folder, or a table of fixations, is named after."""
    name, what = (
        (path.name, "folder") if path.is_dir() else (path.stem, "table")
    )
    try:
        return TaskSpec(name, kind)
    except UmsrepError as error:
        raise UmsrepError(f"{path}: {error} Rename the {what}.") from error
