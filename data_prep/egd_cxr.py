"""EGD-CXR: chest X-rays with a radiologist's gaze (Karargyris et al. 2021).

Layout read, as PhysioNet publishes it (egd-cxr 1.0.0): `master_sheet.csv`,
`eye_gaze.csv`, `fixations.csv` and
`audio_segmentation_transcripts/<dicom_id>/` with `left_lung.png`,
`right_lung.png` and `mediastanum.png` (or `mediastinum.png`). The images are
those of MIMIC-CXR, which is a separate download: they are looked for under the
master sheet's `path`, with or without its leading folders, in the set's folder
and in folders beside it whose names contain "mimic" (one level of version
folders included). The DICOM file is used or, if there is none, a .jpg or .png
of the same size. Boxes come from `bounding_boxes.csv`.

Access to both is credentialed.
"""

from dataclasses import dataclass, field
from pathlib import Path

from data_prep import register
from data_prep._boxes import mask_of, reaches_beyond
from data_prep._common import find_table
from data_prep._egd_tables import (
    box_numbers,
    box_task,
    read_boxes,
    read_gaze,
    read_master_sheet,
)
from data_prep._gaze_tables import check_extent, check_reach, reach
from data_prep._tables import image_shape
from umsrep.data.gaze import Gaze
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

TASKS = (
    TaskSpec("gaze", "map"),
    TaskSpec("finding", "label", ("normal", "enlarged_heart", "pneumonia")),
    TaskSpec("lung", "mask"),
    TaskSpec("heart", "mask"),
)
DESCRIPTION = SourceDescription(
    title="Eye Gaze Data for Chest X-rays (EGD-CXR) 1.0.0, images of MIMIC-CXR",
    url="https://physionet.org/content/egd-cxr/1.0.0/",
    citation="A. Karargyris, S. Kashyap, I. Lourentzou et al., "
    '"Creation and validation of a chest X-ray dataset with eye-tracking and '
    'report dictation for AI development", Scientific Data 8:92, 2021, '
    "doi:10.1038/s41597-021-00863-5. A. E. W. Johnson, T. J. Pollard, S. J. "
    'Berkowitz et al., "MIMIC-CXR, a de-identified publicly available '
    'database of chest radiographs with free-text reports", Scientific Data '
    "6:317, 2019, doi:10.1038/s41597-019-0322-0.",
    licence="PhysioNet Credentialed Health Data License",
    modality="chest X-ray",
    terms="Credentialed access; neither the data nor what is made of them "
    "may be passed on to people without it.",
)
POINTS = ("samples", "fixations")
# {class column of the master sheet: class}; one of the columns is 1.
FINDINGS = {
    "Normal": "normal",
    "CHF": "enlarged_heart",
    "pneumonia": "pneumonia",
}
HEART = ("mediastanum.png", "mediastinum.png")
BOXES = "bounding_boxes.csv"
SUFFIXES = (".dcm", ".jpg", ".jpeg", ".png")


@dataclass
class _Set:
    """Where the files are and what the tables hold."""

    root: Path
    image_roots: list
    points: dict
    fixations: dict
    boxes: dict
    reaches: list = field(default_factory=list)
    without_gaze: int = 0
    cut: int = 0


@register("egd-cxr")
def convert(source, out, progress=None, points="samples", boxes=(), **options):
    """Converts EGD-CXR: gaze, finding, lung and heart, no split.

    The class is enlarged_heart where the sheet says CHF, as in MT-UNet (Zhu
    et al. 2022). The lung is the left one or the right one; the heart is the
    mask of the mediastinum.

    Gaze maps are made from all 60 Hz samples in eye_gaze.csv, as in the code
    of MT-UNet, or from the fixations in fixations.csv. Metrics at fixations
    use the latter in either case. Calibration images (whose ids are not 44
    characters long) and points outside the image are left out and counted. An
    image without a row of gaze is kept, without a map.

    Each region of `boxes` adds a mask task, named after it with "_" for other
    characters: the region's box, or all of them if an image has several.
    Images without one are unlabelled for it. What lies outside the image is
    cut off, and counted.

    Args:
        source: The set's folder, or one above it.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        points: What gaze maps are made from: "samples" or "fixations".
        boxes: Regions of bounding_boxes.csv, such as "cardiac silhouette".
        options: Options of `PreparedWriter`: size, fit, on_error, gaze_map, ...

    Returns:
        The header (`dataset.json`) of the new data set.

    Raises:
        UmsrepError: nothing found, an unreadable table, an unknown region,
            gaze in fractions of the screen or in pixels of smaller images;
            or, with `on_error="stop"`, a record that contradicts itself, an
            image or the mask of one lung missing or damaged, gaze that does
            not meet its image or lies beyond it, or a box that is invalid or
            lies outside.
    """
    if points not in POINTS:
        raise UmsrepError(
            f"points='{points}' is unknown. Choose one of {', '.join(POINTS)}."
        )
    root = find_table(source, "master_sheet.csv", "EGD-CXR set").parent
    names = (boxes,) if isinstance(boxes, str) else tuple(boxes)
    regions, boxed = read_boxes(root / BOXES, names) if names else ({}, set())
    tasks = dict.fromkeys(box_task(name) for name in names)
    writer = PreparedWriter(
        out,
        "egd-cxr",
        (*TASKS, *(TaskSpec(task, "mask") for task in tasks)),
        DESCRIPTION,
        **options,
    )
    with writer:
        records = read_master_sheet(root / "master_sheet.csv", FINDINGS, writer)
        fixations = read_gaze(root / "fixations.csv", records, writer)
        files = _Set(root, _image_roots(root), fixations, fixations, regions)
        if points == "samples":
            files.points = read_gaze(root / "eye_gaze.csv", records, writer)
        for done, record in enumerate(records.values(), 1):
            _add(writer, files, record)
            if progress:
                progress(done, len(records))
        if files.without_gaze:
            writer.warn(
                f"{files.without_gaze} images have no row of gaze; they have "
                "no map."
            )
        if files.cut:
            writer.warn(
                f"{BOXES}: boxes of {files.cut} images reach beyond the "
                "image; they were cut off there."
            )
        if unknown := boxed - set(records):
            writer.warn(
                f"{BOXES}: the rows of {len(unknown)} images that are not in "
                "the master sheet were left out."
            )
        check_reach(root, files.reaches)
    return writer.header


def _image_roots(root):
    """Folders to which the sheet's paths may be relative."""
    root = root.resolve()
    roots = [root]
    for above in (root, *root.parents[:2]):
        for beside in sorted(above.glob("*[mM][iI][mM][iI][cC]*")):
            if beside.is_dir():
                below = sorted(
                    path for path in beside.iterdir() if path.is_dir()
                )
                roots += [beside, *below]
    return list(dict.fromkeys(roots))


def _add(writer, files, record):
    image = _image(files.image_roots, record.path)
    key = record.dicom_id
    try:
        if image is None:
            raise UmsrepError(
                f"The image {record.path} was not found in the set's folder "
                "or in one beside it named like 'mimic'. Get it from "
                "MIMIC-CXR, or leave its record out."
            )
        shape = image_shape(image)
        gaze = None
        if key in files.points:
            check_extent(image, shape, files.points[key])
            points = files.points[key]
            gaze = Gaze(points, files.fixations.get(key, points.iloc[:0]))
        path = files.root / BOXES
        boxes = box_numbers(path, key, files.boxes.get(key, {}))
        masks = _masks(files.root, key) | {
            task: mask_of(f"{path}: the {task} of {key}", listed, shape)
            for task, listed in boxes.items()
        }
    except UmsrepError as error:
        writer.reject(image or Path(record.path), error)
        return
    added = writer.add(
        key,
        image,
        patient=record.patient,
        targets={"finding": record.finding} | masks | {"gaze": gaze},
    )
    files.cut += added and any(
        reaches_beyond(listed, shape) for listed in boxes.values()
    )
    if added and gaze is None:
        files.without_gaze += 1
    elif added:
        files.reaches.append(reach(shape, gaze.points))


def _image(roots, path):
    """The file of a path in the sheet, or None.

    People keep the images as `files/p10/p10000032/...`, `p10/...` or, as
    MT-UNet's code does, `p10000032/...`.
    """
    parts = Path(path).parts
    starts = (0, 1, 2) if parts[0] == "files" and len(parts) > 3 else (0,)
    for root in roots:
        for start in starts:
            for suffix in SUFFIXES:
                file = root.joinpath(*parts[start:]).with_suffix(suffix)
                if file.is_file():
                    return file
    return None


def _masks(root, dicom_id):
    below = f"audio_segmentation_transcripts/{dicom_id}"
    folder = root / below
    sides = [folder / f"{side}_lung.png" for side in ("left", "right")]
    present = [file for file in sides if file.is_file()]
    if len(present) == 1:
        raise UmsrepError(
            f"{below} holds {present[0].name} but not the other lung. "
            "Expected left_lung.png and right_lung.png; get the missing one, "
            "or leave the record out."
        )
    hearts = [folder / name for name in HEART if (folder / name).is_file()]
    return {"lung": present, "heart": hearts[:1]}
