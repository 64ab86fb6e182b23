"""Which files of some paths are images, and what their results are called."""

import os
from dataclasses import dataclass
from pathlib import Path

from umsrep.data import file_content
from umsrep.errors import UmsrepError

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".bmp",
    ".dcm",
    ".dicom",
    ".dic",
)
# Beside exported images: an index of them, and macOS's shadows.
NO_IMAGES = ("DICOMDIR", "__MACOSX")
HEADER = "prediction.json"


@dataclass(frozen=True)
class Source:
    """An image file.

    Attributes:
        path: The file.
        name: Its results' name without a suffix: its place below the folder
            that all images share. No two sources have the same one, in upper
            or lower case.
    """

    path: Path
    name: str


def find(paths, known=None):
    """The image files in `paths`.

    A folder is searched with its subfolders for images by their suffix, and
    for DICOM files of any name. Hidden files, the index file of a DICOM medium
    and folders of earlier predictions are passed over. A file that is named
    itself is always taken.

    Args:
        paths: Files and folders.
        known: {path: name} of an earlier call; they keep their names.

    Returns:
        (sources in order of their paths, number of other files in the
        folders).

    Raises:
        UmsrepError: a path does not exist, or there is no image.
    """
    files, passed_over = {}, 0
    for path in map(Path, paths):
        if not path.exists():
            raise UmsrepError(
                f"{path} does not exist. Expected an image file or a folder "
                "of images; check the path."
            )
        if not path.is_dir():
            files[os.path.abspath(path)] = path
            continue
        for file, taken in _walk(path):
            if taken:
                files.setdefault(os.path.abspath(file), file)
            passed_over += not taken
    if not files:
        raise UmsrepError(
            f"No image was found in {', '.join(map(str, paths))} "
            f"({passed_over} other files). Expected {', '.join(SUFFIXES)} or "
            "DICOM files; check the path."
        )
    base = _base(paths)
    ordered = [files[key] for key in sorted(files)]
    return _named(ordered, base, known or {}), passed_over


def _walk(folder):
    """(file, whether it is taken for an image) of all files below.

    Linked folders are passed over: they may lead around in circles.
    """
    for place, folders, names in os.walk(folder, onerror=_closed):
        if HEADER in names:
            folders.clear()
            continue
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in NO_IMAGES
        )
        for name in folders:
            if os.path.islink(os.path.join(place, name)):
                yield Path(place, name), False
        for name in sorted(names):
            if name.startswith(".") or name in NO_IMAGES:
                continue
            file = Path(place, name)
            by_suffix = file.suffix.lower() in SUFFIXES
            yield file, by_suffix or _says_dicom(file)


def _closed(error):
    raise UmsrepError(
        f"{error.filename} cannot be searched ({error.strerror}). Check its "
        "permissions, or leave it out."
    ) from error


def _says_dicom(file):
    try:
        with open(file, "rb") as stream:
            return file_content.is_dicom(stream.read(132))
    except OSError:
        return False


def _base(paths):
    """The deepest folder that holds everything."""
    places = [
        os.path.abspath(path if Path(path).is_dir() else Path(path).parent)
        for path in paths
    ]
    try:
        return os.path.commonpath(places)
    except ValueError as error:  # Windows: on two drives.
        raise UmsrepError(
            f"{paths[0]} and {paths[-1]} lie on different drives. Predict "
            "them in two calls."
        ) from error


def _named(files, base, known):
    taken = {name.lower() for name in known.values()}
    places = {
        file: Path(os.path.relpath(os.path.abspath(file), base))
        for file in files
    }
    # Beside a folder "a.png" no result can be the file "a.png".
    folders = {p.as_posix().lower() for f in places.values() for p in f.parents}
    taken |= {f.removesuffix(".png") for f in folders if f.endswith(".png")}
    sources = []
    for file in files:
        name = known.get(str(file))
        if name is None:
            relative = places[file]
            name = _free_name(relative, taken)
            taken.add(name.lower())
        sources.append(Source(file, name))
    return sources


def _free_name(relative, taken):
    """Without its suffix; with it where a neighbour has the same stem."""
    choices = [relative.as_posix()]
    # What follows the last dot of a DICOM file's UID is no suffix.
    if relative.suffix.lower() in SUFFIXES:
        choices.insert(0, relative.with_suffix("").as_posix())
    number = 1
    while choices[0].lower() in taken:
        choices.pop(0)
        if not choices:
            number += 1
            choices = [f"{relative.as_posix()}-{number}"]
    return choices[0]
