"""Synthetic chest X-rays in the file layouts of public data sets.

`umsrep prepare` and everything after it run as on the real downloads: folders,
names, file kinds and irregularities are the same. A file `phantom.json` beside
them holds the truth about every picture.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from umsrep.errors import UmsrepError
from umsrep.phantoms.chest.difficulty import (
    DEFAULT,
    Difficulty,
    difficulty_of,
)
from umsrep.phantoms.chest.drawing import draw_chest
from umsrep.phantoms.chest.egd import EGD_CXR
from umsrep.phantoms.chest.exposure import KERMANY, MONTGOMERY, SHENZHEN
from umsrep.phantoms.chest.labels import drawn_findings, label_of
from umsrep.phantoms.chest.rsna import RSNA
from umsrep.phantoms.sets import LABEL_STREAM, PLAN_STREAM, SyntheticSet

MASKED_SHARE = 566 / 662  # Shenzhen images that have a lung mask
NORMAL_SHARE = {"shenzhen": 326 / 662, "montgomery": 80 / 138}
TEST_SHARE = 0.12


@dataclasses.dataclass(frozen=True)
class _Planned:
    """One image to be drawn and where it goes, relative to the set."""

    file: str
    finding: str  # that the label says; the one drawn may differ
    patient: int  # within the set
    shape: tuple[int, int]
    mode: str  # of the Pillow library: P, RGB or L
    masks: tuple[tuple[str, str], ...] = ()  # (which lungs, file)
    reading: tuple[str, str] = ("", "")  # (file, text)


def write_chest(
    out,
    layout: str,
    images: int,
    seed: int,
    size: int = 256,
    on_image: Callable[[], None] | None = None,
    difficulty: str | Difficulty = DEFAULT,
) -> None:
    """Writes a folder of synthetic chest X-rays.

    Layouts:
        "shenzhen": `ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png` (palette,
            RGB and grey), `ChinaSet_AllFiles/ClinicalReadings/*.txt`, and
            for 85 % of the images `mask/mask/CHNCXR_0001_0_mask.png` with
            both lungs. The last digit is 0 for a normal chest.
        "montgomery": `MontgomerySet/CXR_png/MCUCXR_0001_0.png`, readings,
            and `ManualMask/leftMask`, `ManualMask/rightMask` (sides of the
            picture); two canvas shapes, another exposure, black bands.
        "kermany": `chest_xray/{train,test}/{NORMAL,PNEUMONIA}/*.jpeg` of
            children; several images of some patients, 12 % of the images
            in test, no patient in both.
        "egd-cxr": DICOM files with gaze; see `egd.write_egd`.
        "rsna": DICOM files with boxes; see `rsna.write_rsna`.
    An abnormal chest of the first two shows tuberculosis, one in eight an
    enlarged heart. The lead marker does not depend on the label, unless the
    difficulty says so.

    Args:
        out: New folder; it must not exist or must be empty.
        layout: One of `LAYOUTS`.
        images: Number of images, at least `FEWEST[layout]`.
        seed: Non-negative integer; the same seed gives the same files.
        size: Approximate length of a side in pixels, at least 64.
        on_image: Called without arguments after each image, for a progress
            bar.
        difficulty: "easy", "usual", "hard" or a `Difficulty`.

    Raises:
        UmsrepError: an invalid argument, or an `out` that is not empty.
    """
    if layout not in SETS:
        raise UmsrepError(
            f"No layout is named '{layout}'. Choose one of "
            f"{', '.join(LAYOUTS)}."
        )
    SETS[layout].write(
        out, images, seed, size, on_image, difficulty_of(difficulty)
    )


def _draw_pictures(plan, style, first, classes):
    """The drawing function of one set of pictures; see `SyntheticSet`."""

    def draw(folder, images, seed, size, difficulty):
        rng = np.random.default_rng([seed, first, PLAN_STREAM])
        plans = list(plan(images, size, rng))
        drawn = drawn_findings(
            [planned.finding for planned in plans],
            classes,
            difficulty.label_noise,
            np.random.default_rng([seed, first, LABEL_STREAM]),
        )
        for number, (planned, finding) in enumerate(
            zip(plans, drawn, strict=True)
        ):
            phantom = draw_chest(
                seed,
                first + number,
                finding,
                planned.shape,
                style,
                patient=first + planned.patient,
                difficulty=difficulty,
            )
            _write(folder, planned, phantom)
            yield {
                "file": planned.file,
                "masks": [file for _, file in planned.masks],
                "patient": planned.patient,
                "finding": phantom.finding,
                "label": label_of(planned.finding, classes),
                "true_label": label_of(phantom.finding, classes),
                "parameters": phantom.parameters,
            }

    return draw


def _two_classes(layout, images, rng):
    """Findings in the order of the file numbers, normal chests first."""
    normal = round(images * NORMAL_SHARE[layout])
    normal = min(max(normal, 1), images - 1)
    enlarged = rng.random(images - normal) < 1 / 8
    return ["normal"] * normal + [
        "enlarged_heart" if large else "tuberculosis" for large in enlarged
    ]


def _plan_shenzhen(images, size, rng):
    findings = _two_classes("shenzhen", images, rng)
    modes = [("P", "RGB", "L")[i % 3] for i in rng.permutation(images)]
    masked = rng.permutation(images) < round(images * MASKED_SHARE)
    for number, finding in enumerate(findings):
        stem = f"CHNCXR_{number + 1:04d}_{int(finding != 'normal')}"
        # Misspelt and irregular, as in the original.
        sex = rng.choice(["male", "female", "femal"], p=[0.6, 0.37, 0.03])
        age = f"{rng.integers(16, 86)}{rng.choice(['yrs', ' yrs'])}"
        text = {
            "normal": "normal",
            "tuberculosis": "secondary PTB in the upper field",
            "enlarged_heart": "enlarged heart",
        }[finding]
        mask = f"mask/mask/{stem}_mask.png"
        yield _Planned(
            file=f"ChinaSet_AllFiles/CXR_png/{stem}.png",
            finding=finding,
            patient=number,
            shape=(size, round(size * rng.uniform(0.94, 1.08))),
            mode=modes[number],
            masks=(("both", mask),) if masked[number] else (),
            reading=(
                f"ChinaSet_AllFiles/ClinicalReadings/{stem}.txt",
                f"{sex} {age}\n{text}\n",
            ),
        )


def _plan_montgomery(images, size, rng):
    findings = _two_classes("montgomery", images, rng)
    short = round(size * 4020 / 4892)
    wide = rng.permutation(images) % 3 > 0
    for number, finding in enumerate(findings):
        stem = f"MCUCXR_{number + 1:04d}_{int(finding != 'normal')}"
        sex, age = rng.choice(["F", "M"]), rng.integers(16, 86)
        text = {
            "normal": "normal",
            "tuberculosis": "infiltrates in the upper lobe, active TB",
            "enlarged_heart": "cardiomegaly",
        }[finding]
        yield _Planned(
            file=f"MontgomerySet/CXR_png/{stem}.png",
            finding=finding,
            patient=number,
            shape=(short, size) if wide[number] else (size, short),
            mode="L",
            masks=tuple(
                (side, f"MontgomerySet/ManualMask/{side}Mask/{stem}.png")
                for side in ("left", "right")
            ),
            reading=(
                f"MontgomerySet/ClinicalReadings/{stem}.txt",
                f"Patient's Sex: {sex}\nPatient's Age: {age:03d}Y\n{text}\n",
            ),
        )


def _plan_kermany(images, size, rng):
    quarter = max(2, round(images / 4))
    classes = (
        ("bacterial", images - 2 * quarter, 0.45),
        ("viral", quarter, 0.2),
        ("normal", quarter, 0.12),
    )
    patient = 0
    for finding, total, repeats in classes:
        counts = _images_per_patient(total, repeats, rng)
        in_test = _test_patients(counts, rng)
        names = _kermany_names(finding, counts)
        for test, files in zip(in_test, names, strict=True):
            for file in files:
                height = size * rng.uniform(0.8, 1.1)
                aspect = float(np.clip(rng.normal(1.35, 0.2), 1.0, 2.0))
                split = "test" if test else "train"
                group = "NORMAL" if finding == "normal" else "PNEUMONIA"
                yield _Planned(
                    file=f"chest_xray/{split}/{group}/{file}.jpeg",
                    finding=finding,
                    patient=patient,
                    shape=(round(height), round(height * aspect)),
                    mode="RGB" if rng.random() < 0.1 else "L",
                )
            patient += 1


def _images_per_patient(total, repeats, rng):
    """Images of each patient, at least two patients; sums to `total`."""
    counts = []
    while (left := total - sum(counts)) > 0:
        count = int(rng.geometric(1 - repeats))
        counts.append(min(count, left if counts else total - 1))
    return counts


def _test_patients(counts, rng):
    """Marks the patients of the test set, near `TEST_SHARE` of the images."""
    wanted = max(1, round(TEST_SHARE * sum(counts)))
    chosen = np.zeros(len(counts), bool)
    taken = 0
    for patient in rng.permutation(len(counts)):
        if taken + counts[patient] <= wanted:
            chosen[patient] = True
            taken += counts[patient]
    if not taken:
        chosen[int(np.argmin(counts))] = True
    return chosen


def _kermany_names(finding, counts):
    """File stems of each patient, as in version 2 of the public set."""
    if finding == "normal":
        series = {"IM": 115, "NORMAL2-IM": 381}
        for patient, count in enumerate(counts):
            prefix = tuple(series)[patient % 2]
            stem = f"{prefix}-{series[prefix] + patient // 2:04d}-0001"
            if count == 1:
                yield [stem]
            else:
                yield [f"{stem}-{i + 1:04d}" for i in range(count)]
        return
    # Two series of patients with unrelated numbers, both from 1.
    kind, image = {"bacterial": ("bacteria", 1), "viral": ("virus", 6)}[finding]
    for patient, count in enumerate(counts):
        stem = f"person{patient + 1}_{kind}"
        yield [f"{stem}_{image + i}" for i in range(count)]
        image += count


def _write(folder, planned, phantom):
    picture = Image.fromarray(phantom.image)
    if planned.mode == "P":
        # A palette of greys in reverse order: indices are not grey values.
        picture = Image.fromarray(255 - phantom.image)
        picture.putpalette([255 - i // 3 for i in range(768)])
    elif planned.mode == "RGB":
        picture = picture.convert("RGB")
    path = _place(folder, planned.file)
    picture.save(path, **({"quality": 90} if path.suffix == ".jpeg" else {}))
    lungs = {
        "both": phantom.lungs,
        "left": phantom.left_lung,
        "right": phantom.right_lung,
    }
    for which, file in planned.masks:
        mask = Image.fromarray(np.where(lungs[which], 255, 0).astype("uint8"))
        if which != "both":
            mask = mask.convert("1")  # Montgomery's masks have one bit
        mask.save(_place(folder, file))
    file, text = planned.reading
    if file:
        _place(folder, file).write_text(text, encoding="utf-8")


def _place(folder, file):
    path = Path(folder) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


_TWO_CLASSES = {
    "normal": ("normal",),
    "abnormal": ("tuberculosis", "enlarged_heart"),
}
_KERMANY_CLASSES = {name: (name,) for name in ("normal", "bacterial", "viral")}

# Sets of one seed must not share patients: each has its own first number.
SETS = {
    found.name: found
    for found in (
        SyntheticSet(
            "shenzhen",
            2,
            _draw_pictures(_plan_shenzhen, SHENZHEN, 0, _TWO_CLASSES),
        ),
        SyntheticSet(
            "montgomery",
            2,
            _draw_pictures(_plan_montgomery, MONTGOMERY, 10**6, _TWO_CLASSES),
        ),
        SyntheticSet(
            "kermany",
            6,
            _draw_pictures(_plan_kermany, KERMANY, 2 * 10**6, _KERMANY_CLASSES),
        ),
        EGD_CXR,
        RSNA,
    )
}
LAYOUTS = tuple(SETS)
FEWEST = {name: found.fewest for name, found in SETS.items()}
