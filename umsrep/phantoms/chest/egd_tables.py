"""The tables of the EGD-CXR layout: master sheet, gaze, boxes, transcripts."""

import csv
from dataclasses import dataclass

import numpy as np
import pandas as pd

from umsrep.phantoms.chest.gaze import SAMPLES_PER_SECOND
from umsrep.phantoms.chest.regions import box, mediastinum, third

SCREEN = (1920, 1080)  # width, height in pixels
TICKS_PER_SECOND = 10_000_000

GAZE_COLUMNS = tuple(
    "SESSION_ID,MEDIA_ID,DICOM_ID,CNT,Time (in secs),TIMETICK(f=10000000),"
    "FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,BPOGX,BPOGY,BPOGV,LPCX,LPCY,LPD,LPS,"
    "LPV,RPCX,RPCY,RPD,RPS,RPV,BKID,BKDUR,BKPMIN,LPMM,LPMMV,RPMM,RPMMV,"
    "SACCADE_MAG,SACCADE_DIR,VID_FRAME,X_ORIGINAL,Y_ORIGINAL".split(",")
)
REPORT_COLUMNS = (
    "normal_reports Normal CHF pneumonia consolidation "
    "enlarged_cardiac_silhouette linear__patchy_atelectasis "
    "lobar__segmental_collapse not_otherwise_specified_opacity___pleural__"
    "parenchymal_opacity__ pleural_effusion_or_thickening "
    "pulmonary_edema__hazy_opacity normal_anatomically "
    "elevated_hemidiaphragm hyperaeration vascular_redistribution"
).split()
CHEXPERT_COLUMNS = [
    f"{name}__chx"
    for name in (
        "atelectasis cardiomegaly consolidation edema "
        "enlarged_cardiomediastinum fracture lung_lesion lung_opacity "
        "no_finding pleural_effusion pleural_other pneumonia pneumothorax "
        "support_devices"
    ).split()
]
DIAGNOSES = ("Normal", "CHF", "pneumonia")
# (report columns and CheXpert columns that are 1, diagnosis, code, sentence).
_REPORTS = {
    "Normal": (
        ("normal_reports", "Normal", "normal_anatomically", "no_finding__chx"),
        ("Cough", "R05"),
        "The lungs are clear. The heart is normal in size.",
    ),
    "CHF": (
        (
            "CHF",
            "enlarged_cardiac_silhouette",
            "vascular_redistribution",
            "cardiomegaly__chx",
        ),
        ("Heart failure, unspecified", "I509"),
        "The heart is enlarged. The lungs are clear.",
    ),
    "pneumonia": (
        ("pneumonia", "consolidation", "lung_opacity__chx", "pneumonia__chx"),
        ("Pneumonia, unspecified organism", "J189"),
        "There is an opacity in the lung. The heart is normal in size.",
    ),
}


@dataclass(frozen=True)
class Screen:
    """How the readers' screen showed an image: reduced, with black margins.

    Attributes:
        height, width: Size of the image in its own pixels.
        top, bottom, left, right: Margins in pixels of the screen.
    """

    height: int
    width: int
    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def of(cls, shape):
        """The screen for an image whose longer side fills its height."""
        ratio = SCREEN[1] / max(shape)
        down, across = (
            full - int(side * ratio)
            for full, side in zip(SCREEN[::-1], shape, strict=True)
        )
        return cls(
            *shape,
            down // 2,
            down - down // 2,
            across // 2,
            across - across // 2,
        )

    def fractions(self, x, y):
        """Pixels of the image -> fractions of the screen."""
        shown_x = SCREEN[0] - self.left - self.right
        shown_y = SCREEN[1] - self.top - self.bottom
        return (
            (self.left + x * shown_x / self.width) / SCREEN[0],
            (self.top + y * shown_y / self.height) / SCREEN[1],
        )

    def originals(self, x, y):
        """Whole pixels of the image; both negative where gaze left it."""
        inside = (x > 0) & (x < self.width) & (y > 0) & (y < self.height)
        column = np.where(inside, np.floor(x), -1)
        row = np.where(inside, np.floor(y), -1)
        return column.astype(int), row.astype(int)


def gaze_tables(scanpath, shape, dicom_id, session, media, rng):
    """The rows of one image in eye_gaze.csv and in fixations.csv.

    Args:
        scanpath: `ScanPath`.
        shape: (height, width) of the image.
        dicom_id: Id of the image.
        session, media: SESSION_ID and MEDIA_ID.
        rng: Random generator for the pupils.

    Returns:
        Two data frames with `GAZE_COLUMNS`.
    """
    screen = Screen.of(shape)
    samples, fixations = scanpath.samples, scanpath.fixations
    count = len(samples)
    seconds = samples["time_ms"].to_numpy() / 1000
    row = samples["fixation"].to_numpy()
    fixating, valid = row >= 0, samples["valid"].to_numpy()
    # In a blink the tracker repeats the last position.
    x, y = (samples[axis].ffill().to_numpy() for axis in "xy")
    last = np.maximum.accumulate(row)
    started = fixations["start_ms"].to_numpy()[last] / 1000
    table = pd.DataFrame(index=range(count))
    table["SESSION_ID"], table["MEDIA_ID"] = session, media
    table["DICOM_ID"], table["CNT"] = dicom_id, np.arange(count)
    table["Time (in secs)"] = seconds.round(5)
    table["TIMETICK(f=10000000)"] = (seconds * TICKS_PER_SECOND).astype(int)
    across, down = screen.fractions(x, y)
    table["FPOGX"], table["FPOGY"] = across.round(6), down.round(6)
    table["FPOGS"] = started.round(5)
    table["FPOGD"] = np.where(fixating, seconds - started, 0).round(5)
    table["FPOGID"], table["FPOGV"] = last + 1, (fixating & valid).astype(int)
    table["BPOGX"] = np.where(valid, table["FPOGX"], 0)
    table["BPOGY"] = np.where(valid, table["FPOGY"], 0)
    table["BPOGV"] = valid.astype(int)
    pupil = 3.2 + rng.normal(0, 0.3) + 0.05 * rng.standard_normal(count)
    for side, place in (("L", 0.42), ("R", 0.58)):
        shift = 0.002 * rng.standard_normal((count, 2))
        table[f"{side}PCX"] = (place + shift[:, 0]).round(5)
        table[f"{side}PCY"] = (0.5 + shift[:, 1]).round(5)
        table[f"{side}PD"] = np.where(valid, 4 * pupil, 0).round(3)
        table[f"{side}PS"], table[f"{side}PV"] = 1.0, valid.astype(int)
        table[f"{side}PMM"] = np.where(valid, pupil, 0).round(3)
        table[f"{side}PMMV"] = valid.astype(int)
    begins = ~valid & np.append(True, valid[:-1])
    table["BKID"] = np.where(valid, 0, np.cumsum(begins))
    table["BKDUR"], table["BKPMIN"] = 0.0, 12
    arrives = fixating & (row != np.append(-1, row[:-1])) & (row > 0)
    step = fixations[["x", "y"]].diff().fillna(0).to_numpy()[last]
    step *= SCREEN[1] / max(shape)
    angle = np.degrees(np.arctan2(-step[:, 1], step[:, 0])) % 360
    table["SACCADE_MAG"] = np.where(arrives, np.hypot(*step.T), 0).round(3)
    table["SACCADE_DIR"] = np.where(arrives, angle, 0).round(3)
    table["VID_FRAME"] = np.arange(count) // (SAMPLES_PER_SECOND // 10)
    table["X_ORIGINAL"], table["Y_ORIGINAL"] = screen.originals(x, y)
    return table[list(GAZE_COLUMNS)], _last_samples(
        table, row, fixations, screen
    )


def _last_samples(table, row, fixations, screen):
    """The last sample of each fixation, at the fixation's own position."""
    ends = np.flatnonzero((row >= 0) & (row != np.append(row[1:], -1)))
    kept = table.iloc[ends].copy()
    fixations = fixations.iloc[row[ends]]
    x, y = fixations["x"].to_numpy(), fixations["y"].to_numpy()
    across, down = screen.fractions(x, y)
    kept["FPOGX"], kept["FPOGY"] = across.round(6), down.round(6)
    kept["FPOGD"] = (fixations["duration_ms"].to_numpy() / 1000).round(5)
    kept["X_ORIGINAL"], kept["Y_ORIGINAL"] = screen.originals(x, y)
    return kept[list(GAZE_COLUMNS)]


def master_row(case, rng):
    """One record of master_sheet.csv, {column: value}; cells span lines."""
    screen = Screen.of(case.shape)
    present, (diagnosis, code), sentence = _REPORTS[case.diagnosis]
    row = {
        "dicom_id": case.dicom_id,
        "path": case.path,
        "study_id": case.study_id,
        "patient_id": case.patient_id,
        "stay_id": case.study_id - 20_000_000,
        "gender": str(rng.choice(["F", "M"])),
        "anchor_age": f"{(decade := 10 * rng.integers(2, 8))} - {decade + 10}",
        "image_top_pad": screen.top,
        "image_bottom_pad": screen.bottom,
        "image_left_pad": screen.left,
        "image_right_pad": screen.right,
    }
    for number in range(1, 10):
        row[f"dx{number}"] = diagnosis if number == 1 else ""
        row[f"dx{number}_icd"] = code if number == 1 else ""
    row |= {name: int(name in present) for name in REPORT_COLUMNS}
    # The report does not mention most findings, and is unsure about some.
    for name in CHEXPERT_COLUMNS:
        drawn = rng.choice(["", "0.0", "-1.0"], p=[0.85, 0.1, 0.05])
        row[name] = "1.0" if name in present else str(drawn)
    reason = rng.choice(["shortness of breath", "cough, fever", "chest pain"])
    row["cxr_exam_indication"] = f"INDICATION: {reason}.\n\n{sentence}"
    return row


def write_master_sheet(path, rows):
    """Writes master_sheet.csv, quoted where a cell spans lines."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def boxes(phantom, dicom_id):
    """The rows of one image in bounding_boxes.csv: 17 regions, (x1, x2, ...).

    "left" and "right" are the patient's.
    """
    found = {
        "cardiac silhouette": box(phantom.heart),
        "upper mediastinum": box(third(mediastinum(phantom), 0)),
    }
    x1, y1, x2, y2 = box(phantom.lungs)
    middle = (x1 + x2) // 2
    tall, wide = (y2 - y1) // 5, (x2 - x1) // 16
    found["trachea"] = (middle - wide, y1, middle + wide, y1 + 2 * tall)
    for side, lung in (
        ("right", phantom.left_lung),
        ("left", phantom.right_lung),
    ):
        x1, y1, x2, y2 = found[f"{side} lung"] = box(lung)
        for number, name in enumerate(("upper", "mid", "lower")):
            found[f"{side} {name} lung zone"] = box(third(lung, number))
        inner = (x2 - 2 * wide, x2) if side == "right" else (x1, x1 + 2 * wide)
        outer = (x1, x1 + 2 * wide) if side == "right" else (x2 - 2 * wide, x2)
        across, down = y1 + 2 * tall, y2 - tall
        found[f"{side} hilar structures"] = (inner[0], across, inner[1], down)
        found[f"{side} costophrenic angle"] = (outer[0], down, outer[1], y2)
        found[f"{side} clavicle"] = (x1, y1, x2, y1 + tall)
    return [
        {
            "dicom_id": dicom_id,
            "bbox_name": name,
            "x1": x1,
            "x2": x2,
            "y1": y1,
            "y2": y2,
        }
        for name, (x1, y1, x2, y2) in found.items()
    ]


def transcript(diagnosis, seconds):
    """What the reader said, as in transcript.json."""
    text = _REPORTS[diagnosis][2]
    phrases = [f"{phrase.strip('. ')}." for phrase in text.split(". ")]
    edges = np.linspace(0.2 * seconds, seconds, len(phrases) + 1).round(2)
    return {
        "full_text": text,
        "time_stamped_text": [
            {"phrase": phrase, "begin_time": begin, "end_time": end}
            for phrase, begin, end in zip(
                phrases, edges[:-1].tolist(), edges[1:].tolist(), strict=True
            )
        ],
    }
