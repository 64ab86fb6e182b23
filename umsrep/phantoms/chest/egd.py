"""Synthetic chest X-rays with gaze, in the raw layout of EGD-CXR.

The set is PhysioNet's egd-cxr 1.0.0 (A. Karargyris, S. Kashyap, I. Lourentzou
et al., "Creation and validation of a chest X-ray dataset with eye-tracking
and report dictation for AI development", Scientific Data 8:92, 2021), with the
MIMIC-CXR images that it refers to.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from pydicom import uid

from umsrep.data.storage import write_json
from umsrep.phantoms.chest import dicom_file
from umsrep.phantoms.chest import egd_tables as tables
from umsrep.phantoms.chest.difficulty import (
    DEFAULT,
    Difficulty,
    difficulty_of,
)
from umsrep.phantoms.chest.drawing import draw_chest
from umsrep.phantoms.chest.exposure import ChestStyle
from umsrep.phantoms.chest.gaze import draw_scanpath
from umsrep.phantoms.chest.labels import drawn_findings, label_of
from umsrep.phantoms.chest.regions import aortic_knob, mediastinum
from umsrep.phantoms.sets import LABEL_STREAM, PLAN_STREAM, SyntheticSet

FULL_SIZE = (3056, 2544)  # of most originals
FILM_MM = 425.0  # their longer side
STYLE = ChestStyle(dose=(1500.0, 9000.0), markers=("", "PA"), border=0.1)
IMAGES_PER_SESSION = 30
IMAGES_PER_CALIBRATION = 20
READERS = 4
REPEATED_SHARE = 45 / 1083  # images beyond a patient's first, in the original
CLASSES = {
    "Normal": ("normal",),
    "CHF": ("enlarged_heart",),
    "pneumonia": ("bacterial", "viral"),
}
# Beyond the other layouts' first indices.
_FIRST_INDEX = 3 * 10**6


@dataclass(frozen=True)
class Case:
    """One image of the set, before it is drawn.

    Attributes:
        dicom_id: 44 characters.
        path: As in the master sheet, "files/p10/p10000032/s50414267/....dcm".
        patient: Number of the patient within the set.
        patient_id, study_id: Eight digits each.
        diagnosis: "Normal", "CHF" or "pneumonia".
        finding: The finding that the diagnosis says; the one drawn may be of
            another class, see `labels`.
        shape: (height, width).
        photometric: "MONOCHROME1" or "MONOCHROME2".
        windowed: Whether the file holds a window; without one, the values fill
            the whole range of 12 bits.
    """

    dicom_id: str
    path: str
    patient: int
    patient_id: int
    study_id: int
    diagnosis: str
    finding: str
    shape: tuple[int, int]
    photometric: str
    windowed: bool


def write_egd(
    out,
    images: int,
    seed: int,
    size: int = 256,
    on_image: Callable[[], None] | None = None,
    difficulty: str | Difficulty = DEFAULT,
) -> None:
    """Writes a folder of synthetic chest X-rays with gaze, as in EGD-CXR.

    `master_sheet.csv`, `eye_gaze.csv`, `fixations.csv`, `bounding_boxes.csv`,
    `audio_segmentation_transcripts/<dicom_id>/` (four masks and
    transcript.json, no audio), the images as 12-bit DICOM files below
    `files/`, and the truth in `phantom.json`. Normal, CHF (an enlarged heart)
    and pneumonia have a third of the images each. Gaze comes from
    `draw_scanpath`; with reader noise, `READERS` readers take turns by
    session, and phantom.json names them. A calibration dot is shown before
    every 20th image. Coordinates in *_ORIGINAL are -1 where gaze left the
    image. "left" and "right" are the patient's.

    Args:
        out: New folder; it must not exist or must be empty.
        images: Number of images, at least 6.
        seed: Non-negative integer; the same seed gives the same files.
        size: Longer side in pixels, at least 64.
        on_image: Called without arguments after each image.
        difficulty: "easy", "usual", "hard" or a `Difficulty`.

    Raises:
        UmsrepError: an invalid argument, or an `out` that is not empty.
    """
    EGD_CXR.write(out, images, seed, size, on_image, difficulty_of(difficulty))


def _draw(folder, images, seed, size, difficulty):
    rng = np.random.default_rng([seed, _FIRST_INDEX, PLAN_STREAM])
    cases = _plan(images, size, rng)
    drawn_as = drawn_findings(
        [case.finding for case in cases],
        CLASSES,
        difficulty.label_noise,
        np.random.default_rng([seed, _FIRST_INDEX, LABEL_STREAM]),
    )
    rows, boxes = [], []
    with contextlib.ExitStack() as files:
        gaze = {}
        for name in ("eye_gaze", "fixations"):
            gaze[name] = files.enter_context(
                open(folder / f"{name}.csv", "w", encoding="utf-8")
            )
            gaze[name].write(",".join(tables.GAZE_COLUMNS) + "\n")
        for number, case in enumerate(cases):
            phantom = draw_chest(
                seed,
                _FIRST_INDEX + number,
                drawn_as[number],
                case.shape,
                STYLE,
                patient=_FIRST_INDEX + case.patient,
                difficulty=difficulty,
            )
            session = 1 + number // IMAGES_PER_SESSION
            reader = (session - 1) % READERS if difficulty.reader_noise else 0
            scanpath = draw_scanpath(
                phantom,
                seed,
                _FIRST_INDEX + number,
                reader=reader,
                reader_noise=difficulty.reader_noise,
            )
            media = 2 * (number % IMAGES_PER_SESSION) + 1
            drawn = tables.gaze_tables(
                scanpath, case.shape, case.dicom_id, session, media, rng
            )
            for file, table in zip(gaze.values(), drawn, strict=True):
                if number % IMAGES_PER_CALIBRATION == 0:
                    _calibration(table, media - 1).to_csv(
                        file, index=False, header=False
                    )
                table.to_csv(file, index=False, header=False)
            rows.append(tables.master_row(case, rng))
            boxes += tables.boxes(phantom, case.dicom_id)
            _write_dicom(folder, case, phantom.image)
            masks = _write_reading(folder, case, phantom, scanpath)
            yield {
                "file": case.path,
                "masks": masks,
                "patient": case.patient,
                "finding": phantom.finding,
                "diagnosis": case.diagnosis,
                "label": case.diagnosis,
                "true_label": label_of(phantom.finding, CLASSES),
                "reader": reader,
                "photometric": case.photometric,
                "windowed": case.windowed,
                "fixations": scanpath.fixations.round(3).to_dict("records"),
                "parameters": phantom.parameters,
            }
    tables.write_master_sheet(folder / "master_sheet.csv", rows)
    pd.DataFrame(boxes).to_csv(folder / "bounding_boxes.csv", index=False)


def _plan(images, size, rng):
    """The cases in the order of reading."""
    people = []
    counts = [len(part) for part in np.array_split(range(images), 3)]
    patient = 0
    for diagnosis, count in zip(tables.DIAGNOSES, counts, strict=True):
        while count > 0:
            finding = {
                "Normal": "normal",
                "CHF": "enlarged_heart",
                "pneumonia": str(rng.choice(["bacterial", "viral"])),
            }[diagnosis]
            # The original has few; even a small set should have some.
            repeated = count > 1 and rng.random() < 2 * REPEATED_SHARE
            people += [(patient, diagnosis, finding)] * (1 + repeated)
            count -= 1 + repeated
            patient += 1
    steps = 9_999_999 // patient, 9_999_999 // images
    numbers = 10_000_000 + np.arange(patient) * steps[0]
    numbers += rng.integers(steps[0], size=patient)
    short = round(size * FULL_SIZE[1] / FULL_SIZE[0])
    cases = []
    for place, chosen in enumerate(rng.permutation(images)):
        patient, diagnosis, finding = people[chosen]
        study = int(50_000_000 + place * steps[1] + rng.integers(steps[1]))
        dicom_id = "-".join(f"{n:08x}" for n in rng.integers(2**32, size=5))
        key = f"p{numbers[patient]}"
        cases.append(
            Case(
                dicom_id=dicom_id,
                path=f"files/{key[:3]}/{key}/s{study}/{dicom_id}.dcm",
                patient=patient,
                patient_id=int(numbers[patient]),
                study_id=study,
                diagnosis=diagnosis,
                finding=finding,
                shape=(short, size) if rng.random() < 0.25 else (size, short),
                photometric=f"MONOCHROME{1 + int(rng.random() < 0.75)}",
                windowed=bool(rng.random() < 0.5),
            )
        )
    return cases


def _calibration(table, media):
    """A look at the dot in the middle of the screen, before an image."""
    shown = table.iloc[: min(len(table), 60)].copy()
    # The id of the image without its last five characters, as published.
    shown["DICOM_ID"] = shown["DICOM_ID"].str[:-5]
    shown["MEDIA_ID"] = media
    shown[["FPOGX", "FPOGY", "BPOGX", "BPOGY"]] = 0.5
    shown["X_ORIGINAL"], shown["Y_ORIGINAL"] = (n // 2 for n in tables.SCREEN)
    return shown


def _write_dicom(folder, case, image):
    # A window that leaves room on both sides, or the whole range.
    start, step = (400, 12) if case.windowed else (0, 4095 / 255)
    stored = np.rint(start + step * image.astype(np.float64))
    centre = start + step * 127.5
    if case.photometric == "MONOCHROME1":
        stored, centre = 4095 - stored, 4095 - centre
    data = dicom_file.new_dicom(
        case.dicom_id, uid.DigitalXRayImageStorageForPresentation, image
    )
    data.Modality, data.ViewPosition = "DX", "PA"
    data.PatientID, data.StudyID = str(case.patient_id), str(case.study_id)
    data.PhotometricInterpretation = case.photometric
    spacing = round(FILM_MM / max(image.shape), 6)
    data.ImagerPixelSpacing = [spacing, spacing]
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    if case.windowed:
        data.WindowCenter = centre + 0.5
        data.WindowWidth = step * 255 + 1
    data.PixelData = stored.astype("<u2").tobytes()
    dicom_file.save(data, folder / case.path)


def _write_reading(folder, case, phantom, scanpath):
    """Writes masks and transcript; the masks' files, relative to the set."""
    below = f"audio_segmentation_transcripts/{case.dicom_id}"
    (folder / below).mkdir(parents=True)
    masks = {
        "left_lung": phantom.right_lung,
        "right_lung": phantom.left_lung,
        "mediastanum": mediastinum(phantom),
        "aortic_knob": aortic_knob(phantom),
    }
    for name, mask in masks.items():
        picture = mask.astype(np.uint8) * 255
        cv2.imwrite(str(folder / below / f"{name}.png"), picture)
    seconds = float(scanpath.samples["time_ms"].iloc[-1]) / 1000
    write_json(
        folder / below / "transcript.json",
        tables.transcript(case.diagnosis, seconds),
    )
    return [f"{below}/{name}.png" for name in masks]


EGD_CXR = SyntheticSet("egd-cxr", 6, _draw)
