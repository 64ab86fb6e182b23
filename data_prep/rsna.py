"""RSNA Pneumonia Detection Challenge: chest X-rays with boxes (2018).

Layout read, as Kaggle publishes it (rsna-pneumonia-detection-challenge):
`stage_2_train_images/<patientId>.dcm`, `stage_2_train_labels.csv` and
`stage_2_detailed_class_info.csv`. The test images of the challenge
(`stage_2_test_images`) have no labels and are left out.

The challenge's patientId names an image, not a patient: the images are from
the NIH's ChestX-ray14, which has several images of many patients. The patients
are in `pneumonia-challenge-dataset-mappings_2018.json`, a download from the
challenge's page at RSNA: put it beside the tables.
"""

from dataclasses import dataclass, field
from pathlib import Path

from data_prep import register
from data_prep._boxes import mask_of, reaches_beyond
from data_prep._common import LEAK, files_in, find_table
from data_prep._rsna_tables import (
    CLASSES,
    read_classes,
    read_finding,
    read_patients,
    read_rows,
    read_target,
)
from data_prep._tables import image_shape
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

TASKS = (
    TaskSpec("finding", "label", tuple(CLASSES.values())),
    TaskSpec("box", "mask"),
)
# Without the file of the detailed classes.
TWO_CLASSES = TaskSpec("opacity", "label", ("no", "yes"))
DESCRIPTION = SourceDescription(
    title="RSNA Pneumonia Detection Challenge (2018), stage 2, training images",
    url="https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
    citation="G. Shih, C. C. Wu, S. S. Halabi et al., "
    '"Augmenting the National Institutes of Health chest radiograph dataset '
    'with expert annotations of possible pneumonia", Radiology: Artificial '
    "Intelligence 1(1):e180041, 2019, doi:10.1148/ryai.2019180041. X. Wang, "
    'Y. Peng, L. Lu, Z. Lu, M. Bagheri, R. M. Summers, "ChestX-ray8: '
    "Hospital-scale chest X-ray database and benchmarks on weakly-supervised "
    'classification and localization of common thorax diseases", CVPR 2017, '
    "doi:10.1109/CVPR.2017.369.",
    licence="Rules of the Kaggle competition",
    modality="chest X-ray",
    terms="The rules are accepted on Kaggle before the download; read there "
    "what they allow. The images are the NIH Clinical Center's, which asks to "
    "be acknowledged and that Wang et al. be cited.",
)
LABELS = "stage_2_train_labels.csv"
CLASS_INFO = "stage_2_detailed_class_info.csv"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
IMAGES, TEST_IMAGES = "stage_2_train_images", "stage_2_test_images"


@dataclass
class _Set:
    """Where the files are and what the tables hold.

    Attributes:
        labels, class_info: Paths of the tables; the second may be None.
        folder: Folder of the images.
        images: {patientId: file}.
        classes: The classes, as from `read_classes`.
        patients: The patients, as from `read_patients`, or None without the
            mapping.
        unmapped: Number of images that the mapping does not hold.
    """

    labels: Path
    class_info: Path | None
    folder: Path
    images: dict
    classes: dict = field(default_factory=dict)
    patients: dict | None = None
    unmapped: int = 0


@register("rsna")
def convert(source, out, progress=None, **options) -> dict:
    """Converts the training images: class and boxes, no split.

    `finding` is the detailed class: normal, other_abnormal (No Lung Opacity /
    Not Normal) or opacity. Without its table the task is `opacity` (no, yes),
    made of Target. `box` is the mask of all boxes of an image; images without
    one are unlabelled for it, which is not an empty mask.

    Args:
        source: The set's folder, or one above it.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        options: Options of `PreparedWriter`: size, fit, on_error, ...

    Returns:
        The header (`dataset.json`) of the new data set. Its "warnings" say
        what was left out or assumed.

    Raises:
        UmsrepError: nothing found, an unreadable table or mapping; or, with
            `on_error="stop"`, rows that contradict each other, Target 1
            without a box, a box that is invalid or lies outside the image, a
            row without an image, an image without a row, or a bad image.
    """
    labels = find_table(source, LABELS, "RSNA pneumonia set")
    files = _find_files(labels)
    first = TASKS[0] if files.class_info else TWO_CLASSES
    writer = PreparedWriter(
        out, "rsna", (first, *TASKS[1:]), DESCRIPTION, **options
    )
    with writer:
        rows = read_rows(labels, writer)
        if files.class_info:
            files.classes = read_classes(files.class_info)
        mapping = _find_mapping(labels.parent, source)
        if mapping:
            files.patients = read_patients(mapping)
        _reject_unlisted(writer, files, rows)
        for done, (key, listed) in enumerate(rows.items(), 1):
            _add(writer, files, key, listed)
            if progress:
                progress(done, len(rows))
        _warn(writer, files)
    return writer.header


def _find_files(labels):
    root = labels.parent
    folder, class_info = root / IMAGES, root / CLASS_INFO
    images = {
        path.stem: path
        for path in (files_in(folder) if folder.is_dir() else ())
        if path.suffix.lower() == ".dcm"
    }
    if not images:
        raise UmsrepError(
            f"{folder} does not exist, or holds no .dcm file. Expected the "
            "images beside the tables; unpack them there. Pictures made from "
            "them will not do: boxes are in pixels of the originals."
        )
    return _Set(
        labels, class_info if class_info.is_file() else None, folder, images
    )


def _find_mapping(root, source):
    """The mapping's file, beside the tables or up to `source`; or None."""
    for folder in (root, *root.parents):
        if (folder / MAPPING).is_file():
            return folder / MAPPING
        if folder == Path(source):
            break
    return None


def _reject_unlisted(writer, files, rows):
    for key, path in files.images.items():
        if key not in rows:
            writer.reject(
                path,
                UmsrepError(
                    f"{path} has no row in {files.labels}. Expected one for "
                    "each training image; get the published table again, or "
                    "move the image away."
                ),
            )


def _add(writer, files, key, rows):
    image = files.images.get(key)
    try:
        target, boxes = read_target(files.labels, rows)
        if files.class_info:
            found = files.classes.get(key, set())
            name = read_finding(files.class_info, key, found, target)
            labels = {"finding": name}
        else:
            labels = {"opacity": TWO_CLASSES.classes[target]}
        if image is None:
            raise UmsrepError(
                f"{files.labels} has rows for {key}, but {files.folder} holds "
                f"no {key}.dcm. Get the image, or leave out all such rows "
                "(--on-error skip)."
            )
        mask = _mask(image, boxes) if boxes else None
    except UmsrepError as error:
        writer.reject(image or files.folder / f"{key}.dcm", error)
        return
    # The prefixes keep the two kinds of keys apart.
    patient = f"image:{key}"
    known = files.patients is not None and key in files.patients
    if known:
        patient = f"NIH-{files.patients[key]}"
    added = writer.add(key, image, patient, targets=labels | {"box": mask})
    files.unmapped += added and not known


def _mask(image, boxes):
    shape = image_shape(image)
    if reaches_beyond(boxes, shape):
        listed = ", ".join(
            f"({x1:g}, {y1:g}) to ({x2:g}, {y2:g})" for x1, y1, x2, y2 in boxes
        )
        raise UmsrepError(
            f"{image} is {shape[1]} x {shape[0]} pixels, but a box lies "
            f"outside it: {listed}. Expected boxes in pixels of this image; "
            "use the image in its original size, or correct the table."
        )
    return mask_of(image, boxes, shape)


def _warn(writer, files):
    if files.class_info is None:
        writer.warn(
            f"There is no {CLASS_INFO}, so the classes come from Target: "
            "opacity no or yes, where 'no' includes other abnormalities. For "
            f"normal, other_abnormal and opacity, put it beside {LABELS} and "
            "prepare again."
        )
    if files.patients is None:
        writer.warn(
            f"There is no {MAPPING}, so every image counts as a patient of "
            "its own, although many patients have several images. "
            f"{LEAK}: get the file from the challenge's page at RSNA, put it "
            f"beside {LABELS} and prepare again."
        )
    elif files.unmapped:
        writer.warn(
            f"Images that {MAPPING} does not hold: {files.unmapped}; each is "
            f"counted as a patient of its own. {LEAK}: get the file again."
        )
    test = files.labels.parent / TEST_IMAGES
    count = len(files_in(test)) if test.is_dir() else 0
    if count:
        writer.warn(
            f"Images of {TEST_IMAGES} that were left out, because they have "
            f"no labels: {count}."
        )
    others = [
        path.name
        for path in files_in(files.folder)
        if path.suffix.lower() != ".dcm"
    ]
    if others:
        writer.warn(
            f"Files in {IMAGES} other than .dcm, which were not read: "
            f"{len(others)} ({others[0]} and so on)."
        )
