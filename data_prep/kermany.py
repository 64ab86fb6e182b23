"""Paediatric pneumonia chest X-rays (Kermany et al. 2018).

Layouts read, each from its own folder or from one above it:
`chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg` with the file names

- of Mendeley Data version 2 and Kaggle
  (paultimothymooney/chest-xray-pneumonia): `personN_bacteria_M`,
  `personN_virus_M`, `IM-NNNN-SSSS`, `NORMAL2-IM-NNNN-SSSS`;
- of Mendeley Data version 3: `NORMAL-PPPPPPP-IIII`, `BACTERIA-...`,
  `VIRUS-...`.

Kaggle's second copy, nested as `chest_xray/chest_xray`, is not counted again.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from data_prep import register
from data_prep._common import check_source, files_in, folders
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.storage import sha256
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

# Homogeneous tasks: each is defined on its own two of the three classes.
TASKS = (
    TaskSpec("bacterial_normal", "label", ("normal", "bacterial")),
    TaskSpec("viral_normal", "label", ("normal", "viral")),
    TaskSpec("bacterial_viral", "label", ("viral", "bacterial")),
)
DESCRIPTION = SourceDescription(
    title="Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images "
    "for Classification: chest X-rays",
    url="https://doi.org/10.17632/rscbjbr9sj",
    citation="D. Kermany, K. Zhang, M. Goldbaum, Mendeley Data, 2018, "
    "doi:10.17632/rscbjbr9sj. D. S. Kermany, M. Goldbaum, W. Cai et al., "
    '"Identifying medical diagnoses and treatable diseases by image-based '
    'deep learning", Cell 172(5):1122-1131, 2018, '
    "doi:10.1016/j.cell.2018.02.010.",
    licence="CC BY 4.0",
    modality="chest X-ray",
    terms="Attribution required; changes must be indicated: here resized "
    "and converted to grey PNG.",
)
# The official validation split has 16 images: too few to choose settings by.
SPLITS = {"train": "train", "val": "train", "test": "test"}
LABELS = {
    "normal": "normal",
    "bacteria": "bacterial",
    "virus": "viral",
}


@dataclass(frozen=True)
class Case:
    """One image file: its split, class ("normal", ...) and patient key."""

    path: Path
    split: str
    label: str
    patient: str


@register("kermany")
def convert(source, out, progress=None, **options) -> dict:
    """Converts the paediatric set: three binary tasks, official split.

    The official validation images go into "train". Of byte-identical files,
    the one in "test" is kept, otherwise the first; the others are recorded as
    skipped.

    Args:
        source: The set's folder, or one above it.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        options: Options of `PreparedWriter`: size, fit, on_error, sixteen_bit.

    Returns:
        The header (`dataset.json`) of the new data set.

    Raises:
        UmsrepError: nothing found, or a bad file (`on_error="stop"`), such as
            one with an unknown name or a name that contradicts its folder, or
            identical files of different classes.
    """
    split_folders = find_split_folders(source)
    writer = PreparedWriter(out, "kermany", TASKS, DESCRIPTION, **options)
    with writer:
        cases = _without_copies(writer, _collect(writer, split_folders))
        for done, case in enumerate(cases, 1):
            writer.add(
                case.path.stem,
                case.path,
                case.patient,
                case.split,
                {
                    task.name: case.label
                    for task in TASKS
                    if case.label in task.classes
                },
            )
            if progress:
                progress(done, len(cases))
    return writer.header


def find_split_folders(source):
    """The folders train, val and test of one copy of the set.

    Raises:
        UmsrepError: none found, or several copies that are not nested.
    """
    source = check_source(source)
    roots = defaultdict(dict)
    for folder in folders(source.resolve()):
        name = folder.name.lower()
        if name in SPLITS and _class_folders(folder):
            roots[folder.parent][name] = folder
    # The OCT part of the same download has train and test folders too, but
    # no pneumonia.
    roots = {
        root: splits
        for root, splits in roots.items()
        if any("pneumonia" in _class_folders(f) for f in splits.values())
    }
    copies = [
        inner
        for inner in roots
        for outer in roots
        if outer in inner.parents and set(roots[inner]) <= set(roots[outer])
    ]
    kept = [root for root in roots if root not in copies]
    if not kept:
        raise UmsrepError(
            f"{source} holds no image of this data set. Looked for the "
            "folders train, val and test with NORMAL and PNEUMONIA inside, "
            "in this folder and below it; check the path."
        )
    if len(kept) > 1:
        raise UmsrepError(
            f"{source} holds several copies of the data set "
            f"({', '.join(str(root) for root in kept)}). Name one of them."
        )
    splits = roots[kept[0]]
    return [splits[name] for name in SPLITS if name in splits]


def _class_folders(folder):
    return {
        below.name.lower(): below
        for below in sorted(folder.iterdir())
        if below.is_dir() and below.name.lower() in ("normal", "pneumonia")
    }


def _collect(writer, split_folders):
    cases = []
    for folder in split_folders:
        for class_name, below in sorted(_class_folders(folder).items()):
            for path in files_in(below):
                try:
                    label, patient = parse_name(path)
                    if (class_name == "normal") != (label == "normal"):
                        raise UmsrepError(
                            f"{path} is named as {label} but lies in "
                            f"{below.name}. Find out which is right, and "
                            "move or remove the file."
                        )
                except UmsrepError as error:
                    writer.reject(path, error)
                    continue
                split = SPLITS[folder.name.lower()]
                cases.append(Case(path, split, label, patient))
    return cases


def parse_name(path):
    """The class and the patient key that a file name holds.

    The numbers of the four series of version 2 are unrelated: person12 of
    the bacterial and person12 of the viral series are two children. Version
    3 numbers its patients once, whatever the class.

    Args:
        path: The image file.

    Returns:
        (class, patient), for example ("bacterial", "bacteria-12").

    Raises:
        UmsrepError: the name does not fit either version.
    """
    path = Path(path)
    if path.suffix.lower() in (".jpeg", ".jpg", ".png"):
        # "person447_virus_921_1" has one number more than the others.
        if match := re.fullmatch(
            r"person(\d+)_(bacteria|virus)_\d+(?:_\d+)?", path.stem
        ):
            number, series = match.groups()
            return LABELS[series], f"{series}-{int(number)}"
        if match := re.fullmatch(
            r"(IM|NORMAL2-IM)-(\d+)-\d+(?:-\d+)?", path.stem
        ):
            series, number = match.groups()
            return "normal", f"{series}-{int(number)}"
        if match := re.fullmatch(
            r"(NORMAL|BACTERIA|VIRUS)-(\d+)-\d+", path.stem
        ):
            series, number = match.groups()
            return LABELS[series.lower()], f"patient-{int(number)}"
    raise UmsrepError(
        f"{path} does not fit any known name. Expected "
        "personN_bacteria_M.jpeg, "
        "personN_virus_M.jpeg, IM-N-M.jpeg, NORMAL2-IM-N-M.jpeg or "
        "NORMAL-N-M.jpeg, BACTERIA-N-M.jpeg, VIRUS-N-M.jpeg; correct the "
        "name, or move the file away."
    )


def _without_copies(writer, cases):
    """Cases without byte-identical copies, which are recorded as skipped."""
    groups = _identical(cases)
    kept = []
    for case in cases:
        group = groups.get(case, [case])
        # Copies on both sides of the official split would leak, so only the
        # one in "test" is kept.
        first = next((c for c in group if c.split == "test"), group[0])
        if len({c.label for c in group}) > 1:
            names = ", ".join(f"{c.path.name} ({c.label})" for c in group)
            writer.reject(
                case.path,
                UmsrepError(
                    f"{case.path} is one of several identical files of "
                    f"different classes: {names}. Find out which is right, "
                    "and move the others away."
                ),
            )
        elif case is not first:
            writer.skip(case.path, f"duplicate of {first.path.name}")
        else:
            kept.append(case)
    return kept


def _identical(cases):
    """{case: all cases with the same bytes}, where there are several."""
    by_size = defaultdict(list)
    for case in cases:
        by_size[case.path.stat().st_size].append(case)
    by_content = defaultdict(list)
    for size, group in by_size.items():
        # Only files of equal size can be equal; reading an empty one gives an
        # error of its own.
        if len(group) > 1 and size:
            for case in group:
                by_content[sha256(case.path)].append(case)
    return {case: group for group in by_content.values() for case in group}
