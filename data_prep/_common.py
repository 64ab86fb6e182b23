"""What several converters share: finding files, and the two NLM sets."""

import filecmp
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from umsrep.data.prepared import HEADER, TaskSpec
from umsrep.errors import UmsrepError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
CLUTTER = ("thumbs.db", "desktop.ini")
# Deeper than any public layout, and a limit for odd links.
MAX_DEPTH = 8
LEAK = (
    "Two images of one person, one trained on and one tested on, make the "
    "results look better than they are, because the person is recognised "
    "rather than the finding"
)

NLM_PREFIXES = ("CHNCXR", "MCUCXR")
NLM_TASKS = (
    TaskSpec("lung", "mask"),
    TaskSpec("abnormality", "label", ("normal", "abnormal")),
)
NLM_CITATION = (
    "S. Jaeger, S. Candemir, S. Antani, Y.-X. J. Wang, P.-X. Lu, G. Thoma, "
    '"Two public chest X-ray datasets for computer-aided screening of '
    'pulmonary diseases", Quant. Imaging Med. Surg. 4(6):475-477, 2014, '
    "doi:10.3978/j.issn.2223-4292.2014.11.20. "
    'S. Jaeger et al., "Automatic tuberculosis screening using chest '
    'radiographs", IEEE Trans. Med. Imaging 33(2):233-245, 2014, '
    "doi:10.1109/TMI.2013.2284099. "
    'S. Candemir et al., "Lung segmentation in chest radiographs using '
    'anatomical atlases with nonrigid registration", IEEE Trans. Med. Imaging '
    "33(2):577-590, 2014, doi:10.1109/TMI.2013.2290491."
)
MASK_FOLDERS = {
    "mask": "both",
    "masks": "both",
    "leftmask": "left",
    "rightmask": "right",
}


def check_source(source):
    """The source folder as a `Path`.

    Raises:
        UmsrepError: it does not exist, or is not a folder.
    """
    source = Path(source)
    if source.is_dir():
        return source
    if source.exists():
        raise UmsrepError(
            f"{source} is a file. Expected the folder of the data set; "
            "unpack an archive first."
        )
    raise UmsrepError(
        f"{source} does not exist. Expected the folder of the data set; "
        "check the path."
    )


def find_table(source, name, title):
    """The one file called `name`, in `source` or at most two levels below.

    It does not look deeper: images may lie in tens of thousands of folders.

    Args:
        source: The set's folder, or one above it.
        name: Name of a file that every copy of the set has.
        title: The set's name, for the message.

    Raises:
        UmsrepError: `source` is not a folder, none found, or several.
    """
    source = check_source(source)
    for pattern in ("", "*/", "*/*/"):
        found = [
            path
            for path in sorted(source.glob(f"{pattern}{name}"))
            if path.is_file()
        ]
        if len(found) > 1:
            raise UmsrepError(
                f"{source} holds several copies of the set: "
                f"{', '.join(str(path.parent) for path in found)}. Name one "
                "of them as the source."
            )
        if found:
            return found[0]
    raise UmsrepError(
        f"{source} holds no {title}. Looked for {name}, in this folder and "
        "two levels below it; check the path."
    )


def folders(source):
    """`source` and the folders below it, top down, in order of name.

    Hidden folders, archive leftovers (`__MACOSX`) and prepared data sets,
    which may lie beside their source, are left out.
    """
    visited = set()
    for name, below, _ in os.walk(source, followlinks=True):
        folder = Path(name)
        depth = len(folder.relative_to(source).parts)
        real = folder.resolve()
        if real in visited or (folder / HEADER).exists():
            below.clear()
            continue
        visited.add(real)
        below[:] = sorted(b for b in below if b[0] != "." and b != "__MACOSX")
        if depth >= MAX_DEPTH:
            below.clear()
        yield folder


def files_in(folder):
    """Files directly in `folder`, in order of name, without clutter."""
    return sorted(
        file
        for file in Path(folder).iterdir()
        if file.is_file()
        and not file.name.startswith(".")
        and file.name.lower() not in CLUTTER
    )


@dataclass
class NlmFiles:
    """The files of one NLM set.

    Attributes:
        images: {stem: path}, for example {"CHNCXR_0001_0": ...}.
        masks: {stem: {"both" | "left" | "right": path}}.
        problems: (path, message) of files that cannot be used.
    """

    images: dict = field(default_factory=dict)
    masks: dict = field(default_factory=dict)
    problems: list = field(default_factory=list)


def find_nlm_files(source, prefix, looked_for):
    """Finds one NLM set's files below `source`, whatever the layout.

    Files are told apart by name: those of the other NLM set are ignored (a
    common bundle mixes both). A mask is named `*_mask` or lies in a folder
    mask, masks, leftMask or rightMask. Byte-identical copies with the same
    name count once.

    Args:
        source: The set's folder or a folder above it.
        prefix: "CHNCXR" or "MCUCXR".
        looked_for: What was looked for, for the error if nothing is found.

    Returns:
        `NlmFiles`.

    Raises:
        UmsrepError: `source` is not a folder, or holds no image of the set.
    """
    source = check_source(source)
    found = NlmFiles()
    for folder in folders(source):
        kind = MASK_FOLDERS.get(folder.name.lower(), "image")
        here = [
            file
            for file in files_in(folder)
            if file.suffix.lower() in IMAGE_SUFFIXES
        ]
        ours = [file for file in here if file.stem.startswith(prefix)]
        if not ours:
            continue
        for file in here:
            if not file.stem.startswith(NLM_PREFIXES) or file in ours:
                _sort_in(found, file, kind, prefix)
    if not found.images:
        raise UmsrepError(
            f"{source} holds no image of this data set. Looked for "
            f"{looked_for}, in this folder and below it; check the path."
        )
    return found


def _sort_in(found, file, kind, prefix):
    match = re.fullmatch(rf"({prefix}_\d+_[01])(_mask)?", file.stem)
    if not match:
        found.problems.append(
            (
                file,
                f"{file} does not fit any known name. Expected {prefix}_NNNN_L "
                "with the label L = 0 (normal) or 1 (abnormal); correct the "
                "name, or move the file away.",
            )
        )
        return
    stem, is_mask = match.groups()
    if is_mask and kind == "image":
        kind = "both"
    if kind == "image":
        group, key = found.images, stem
    else:
        group, key = found.masks.setdefault(stem, {}), kind
    if key not in group:
        group[key] = file
    elif not filecmp.cmp(group[key], file, shallow=False):
        found.problems.append(
            (
                file,
                f"{file} and {group[key]} have the same name but differ. "
                "Expected one copy of the data set; name its own folder, or "
                "move one copy away.",
            )
        )


def add_nlm_images(writer, found, same_patient=None, progress=None):
    """Adds one NLM set's images, lung masks and labels to `writer`.

    Args:
        writer: An entered `PreparedWriter` with the tasks `NLM_TASKS`.
        found: `NlmFiles`.
        same_patient: {number: number of another image of the same patient}.
        progress: `progress(done, total)`, called after each image.
    """
    for path, message in found.problems:
        writer.reject(path, UmsrepError(message))
    for stem in sorted(set(found.masks) - set(found.images)):
        for path in found.masks[stem].values():
            writer.reject(
                path,
                UmsrepError(
                    f"{path} is a mask without an image: {stem}.png was not "
                    "found. Get the image, or move the mask away."
                ),
            )
    numbers = {}
    for done, (stem, path) in enumerate(sorted(found.images.items()), 1):
        _, number, label = stem.split("_")
        try:
            first = numbers.setdefault(number, path)
            if first != path:
                raise UmsrepError(
                    f"{path} and {first} have the same number but different "
                    "labels. Find out which is right, and move the other "
                    "away."
                )
            masks = _lung_masks(path, found.masks.get(stem, {}))
        except UmsrepError as error:
            writer.reject(path, error)
        else:
            key = (same_patient or {}).get(number, number)
            writer.add(
                stem,
                path,
                patient=stem.replace(f"_{number}_{label}", f"-{key}"),
                targets={
                    "abnormality": NLM_TASKS[1].classes[int(label)],
                    "lung": masks,
                },
            )
        if progress:
            progress(done, len(found.images))


def _lung_masks(image, masks):
    sides = [masks[side] for side in ("left", "right") if side in masks]
    if len(sides) == 2:
        return sides
    if "both" in masks:
        return [masks["both"]]
    if sides:
        raise UmsrepError(
            f"{image} has the mask {sides[0]} of one lung only. Expected "
            "leftMask and rightMask; get the missing one, or leave the image "
            "out."
        )
    return []
