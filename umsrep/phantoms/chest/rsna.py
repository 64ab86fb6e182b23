"""Synthetic chest X-rays with boxes, in the raw layout of the RSNA challenge.

The set is that of the RSNA Pneumonia Detection Challenge (G. Shih, C. C. Wu,
S. S. Halabi et al., "Augmenting the National Institutes of Health chest
radiograph dataset with expert annotations of possible pneumonia", Radiology:
Artificial Intelligence 1(1):e180041, 2019): images of the NIH with boxes
around the opacities.
"""

import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image
from pydicom import encaps, uid

from umsrep.data.storage import write_json
from umsrep.phantoms.chest import dicom_file
from umsrep.phantoms.chest.difficulty import (
    DEFAULT,
    Difficulty,
    difficulty_of,
)
from umsrep.phantoms.chest.drawing import draw_chest
from umsrep.phantoms.chest.exposure import ChestStyle
from umsrep.phantoms.chest.labels import drawn_findings, label_of
from umsrep.phantoms.chest.readers import suspected
from umsrep.phantoms.chest.regions import part_boxes
from umsrep.phantoms.sets import LABEL_STREAM, PLAN_STREAM, SyntheticSet

IMAGES = "stage_2_train_images"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
STYLE = ChestStyle(
    latitude=(0.50, 0.75), dose=(1000.0, 8000.0), markers=("", "PORTABLE")
)
OPACITY = "Lung Opacity"
CLASSES = {
    "Normal": ("normal",),
    "No Lung Opacity / Not Normal": ("enlarged_heart",),
    OPACITY: ("bacterial", "viral"),
}
NORMAL_SHARE = 8851 / 26684
OPACITY_SHARE = 6012 / 26684
REPEATED_SHARE = 0.3  # images of the same patient as the previous image
NIH_PATIENTS = 30805
PIXEL_MM = 0.139  # of a picture of 1024 pixels
JPEG_QUALITY = 90
# Beyond the other layouts' first indices.
_FIRST_INDEX = 4 * 10**6


@dataclass(frozen=True)
class Case:
    """One image of the set, before it is drawn.

    Attributes:
        key: The challenge's patientId: one per image, whoever the patient is.
        patient: Number of the patient within the set.
        nih_image: The image's name at the NIH, "00000012_003.png": patient and
            number of the image.
        finding: The finding that the class says; the one drawn may be of
            another class, see `labels`.
        sex, age, view: "F" or "M", years, "PA" or "AP".
    """

    key: str
    patient: int
    nih_image: str
    finding: str
    sex: str
    age: int
    view: str


def write_rsna(
    out,
    images: int,
    seed: int,
    size: int = 256,
    on_image: Callable[[], None] | None = None,
    difficulty: str | Difficulty = DEFAULT,
) -> None:
    """Writes a folder of synthetic chest X-rays with boxes, as in RSNA's set.

    `stage_2_train_images/<patientId>.dcm` (square, 8-bit MONOCHROME2, JPEG
    baseline, no window), `stage_2_train_labels.csv` and
    `stage_2_detailed_class_info.csv` with a row per box,
    `pneumonia-challenge-dataset-mappings_2018.json`, and the truth in
    `phantom.json`. Lung Opacity is a bacterial or viral pneumonia, with a box
    around each connected part of it (with label noise, at times a box around
    nothing); No Lung Opacity / Not Normal is an
    enlarged heart. The classes have the same shares as in the original. Some
    patients have several images, of any class. There are no test images.

    Args:
        out: New folder; it must not exist or must be empty.
        images: Number of images, at least 6.
        seed: Non-negative integer; the same seed gives the same files.
        size: Sides in pixels, at least 64; 1024 in the original.
        on_image: Called without arguments after each image.
        difficulty: "easy", "usual", "hard" or a `Difficulty`.

    Raises:
        UmsrepError: an invalid argument, or an `out` that is not empty.
    """
    RSNA.write(out, images, seed, size, on_image, difficulty_of(difficulty))


def _draw(folder, images, seed, size, difficulty):
    rng = np.random.default_rng([seed, _FIRST_INDEX, PLAN_STREAM])
    noise = np.random.default_rng([seed, _FIRST_INDEX, LABEL_STREAM])
    cases = list(_plan(images, rng))
    drawn_as = drawn_findings(
        [case.finding for case in cases],
        CLASSES,
        difficulty.label_noise,
        noise,
    )
    labels, classes, mapping = [], [], []
    for number, case in enumerate(cases):
        phantom = draw_chest(
            seed,
            _FIRST_INDEX + number,
            drawn_as[number],
            size,
            STYLE,
            patient=_FIRST_INDEX + case.patient,
            difficulty=difficulty,
        )
        file = f"{IMAGES}/{case.key}.dcm"
        data = _dicom(case, phantom.image)
        dicom_file.save(data, folder / file)
        label = label_of(case.finding, CLASSES)
        opaque, boxes = label == OPACITY, []
        if opaque:
            shown = label_of(phantom.finding, CLASSES) == OPACITY
            # Whoever takes a clear lung for an opaque one boxes something.
            boxes = part_boxes(
                phantom.finding_mask if shown else suspected(phantom, noise)
            )
        for x1, y1, x2, y2 in boxes or [(np.nan,) * 4]:
            labels.append((case.key, x1, y1, x2 - x1, y2 - y1, int(opaque)))
            classes.append((case.key, label))
        mapping.append(
            {
                "subset_img_id": case.key,
                "img_id": case.nih_image,
                "SOPInstanceUID": str(data.SOPInstanceUID),
                "StudyInstanceUID": str(data.StudyInstanceUID),
                "SeriesInstanceUID": str(data.SeriesInstanceUID),
            }
        )
        yield {
            "file": file,
            "masks": [],
            "patient": case.patient,
            "finding": phantom.finding,
            "class": label,
            "label": label,
            "true_label": label_of(phantom.finding, CLASSES),
            "boxes": boxes,
            "parameters": phantom.parameters,
        }
    for name, columns, rows in (
        ("train_labels", ("x", "y", "width", "height", "Target"), labels),
        ("detailed_class_info", ("class",), classes),
    ):
        pd.DataFrame(rows, columns=["patientId", *columns]).to_csv(
            folder / f"stage_2_{name}.csv", index=False
        )
    write_json(folder / MAPPING, mapping)


def _plan(images, rng):
    """The cases in the order of the tables."""
    normal = max(2, round(images * NORMAL_SHARE))
    opaque = max(2, round(images * OPACITY_SHARE))
    findings = ["normal"] * normal
    findings += ["enlarged_heart"] * (images - normal - opaque)
    findings += rng.choice(["bacterial", "viral"], opaque).tolist()
    findings = rng.permutation(findings)
    repeated = rng.random(images) < REPEATED_SHARE
    repeated[0] = False
    people = np.cumsum(~repeated) - 1
    count = people[-1] + 1
    numbers = 1 + rng.choice(max(NIH_PATIENTS, count), count, replace=False)
    sexes, ages = rng.choice(["F", "M"], count), rng.integers(18, 90, count)
    # The order of the tables says nothing about who the patients are.
    for place in rng.permutation(images):
        patient = int(people[place])
        visit = place - np.searchsorted(people, patient)
        yield Case(
            key=str(uuid.UUID(bytes=rng.bytes(16), version=4)),
            patient=patient,
            nih_image=f"{numbers[patient]:08d}_{visit:03d}.png",
            finding=str(findings[place]),
            sex=str(sexes[patient]),
            age=int(ages[patient]),
            view=str(rng.choice(["PA", "AP"])),
        )


def _dicom(case, image):
    data = dicom_file.new_dicom(
        case.key,
        uid.SecondaryCaptureImageStorage,
        image,
        uid.JPEGBaseline8Bit,
    )
    for level in ("Study", "Series"):
        made = uid.generate_uid(entropy_srcs=[level, case.key])
        setattr(data, f"{level}InstanceUID", made)
    data.Modality, data.ConversionType = "CR", "WSD"
    data.BodyPartExamined, data.ViewPosition = "CHEST", case.view
    data.SeriesDescription = f"view: {case.view}"
    # Not the patient's: the challenge has one per image.
    data.PatientID = data.PatientName = case.key
    data.PatientSex, data.PatientAge = case.sex, f"{case.age:03d}Y"
    data.PhotometricInterpretation = "MONOCHROME2"
    spacing = round(PIXEL_MM * 1024 / image.shape[0], 6)
    data.PixelSpacing = [spacing, spacing]
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.LossyImageCompression = "01"
    data.LossyImageCompressionMethod = "ISO_10918_1"
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY)
    data.PixelData = encaps.encapsulate([stream.getvalue()])
    data["PixelData"].VR = "OB"
    return data


RSNA = SyntheticSet("rsna", 6, _draw)
