"""Synthetic Doppler strips as a folder that `umsrep prepare folder` reads.

Shares follow the private set of G. Zamzmi, S. Rajaraman, S. Antani, "UMS-Rep:
unified modality-specific representation for efficient medical image
analysis", 2021, Table 1: of 2444 images 855 show MV, 490 MA and 1099 TR; 814
have a quality label. The paper does not say how many of these are low.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from PIL import Image

from umsrep.data.scale import cell
from umsrep.data.storage import write_csv
from umsrep.data.yaml_file import write_yaml
from umsrep.phantoms.echo.strip import draw_strip
from umsrep.phantoms.echo.waves import FLOWS
from umsrep.phantoms.sets import PLAN_STREAM, SyntheticSet

FLOW_SHARES = {"MV": 855 / 2444, "MA": 490 / 2444, "TR": 1099 / 2444}
LABELLED_SHARE = 814 / 2444
LOW_SHARE = 0.4  # of the labelled ones and of the others; plausible
IMAGES_PER_PATIENT = (1, 2, 3)
# In the paper, quality is good or not; the positive class is the good one.
TASKS = {
    "modality": "Doppler echocardiography (synthetic)",
    "licence": "Synthetic; no rights of others.",
    "masks": {"envelope": "masks/envelope"},
    "labels": {
        "flow": {"classes": ["MA", "MV", "TR"]},
        "quality": {"classes": ["low", "good"]},
    }
    | {
        f"{positive}_{negative}".lower(): {
            "column": "flow",
            "classes": [negative, positive],
            "others": "unlabelled",
        }
        for negative, positive in (("MV", "TR"), ("MA", "TR"), ("MA", "MV"))
    },
}
_REPEATS = (0.35, 0.35, 0.30)  # shares of the patients
COLUMNS = ("image", "patient", "flow", "quality")
SCALE_COLUMNS = (
    "image",
    "axis",
    "unit",
    "per_pixel",
    "zero",
    "start",
    "stop",
)
# Beyond the chest layouts' first indices.
_FIRST_INDEX = 4 * 10**6


def write_echo(
    out,
    images: int,
    seed: int,
    size: int = 256,
    on_image: Callable[[], None] | None = None,
) -> None:
    """Writes a folder of synthetic Doppler strips.

    `images/echo0001.png` (8-bit grey), `masks/envelope/echo0001.png`,
    `labels.csv` with the columns image, patient, flow (MV, MA, TR) and
    quality (good, low; empty for two thirds), `scales.csv` (rows in cm/s,
    columns in s, within the strip's edges), `tasks.yaml` (for `umsrep prepare
    folder --config`: flow, quality, pairs of flows, envelope) and the truth in
    `phantom.json`: per image file, masks, patient, flow, quality (known for
    all), "quality_labelled", the entries of `EchoStrip.truth`, and the
    numbers drawn. Patients have one to three images, of one flow or several;
    their numbers do not reveal the flow.

    Args:
        out: New folder; it must not exist or must be empty.
        images: Number of images, at least 12.
        seed: Non-negative integer; the same seed gives the same files.
        size: Height in pixels, at least 64; widths are 1.15 to 1.6 times
            that.
        on_image: Called without arguments after each image.

    Raises:
        UmsrepError: an invalid argument, or an `out` that is not empty.
    """
    ECHO.write(out, images, seed, size, on_image)


@dataclass(frozen=True)
class Planned:
    """One image of the set, before it is drawn.

    Attributes:
        flow, quality: See `draw_strip`.
        labelled: Whether the table of labels has the quality.
        patient: Counted from 0.
    """

    flow: str
    quality: str
    labelled: bool
    patient: int


def plan(images, seed):
    """The images of `write_echo`, a list of `Planned`."""
    rng = np.random.default_rng([seed, _FIRST_INDEX, PLAN_STREAM])
    labelled = round(images * LABELLED_SHARE)
    qualities = [(name, True) for name in _qualities(labelled)]
    qualities += [(name, False) for name in _qualities(images - labelled)]
    return [
        Planned(flow, *quality, patient)
        for flow, quality, patient in zip(
            _shuffled(_flows(images), rng),
            _shuffled(qualities, rng),
            _patients(images, rng),
            strict=True,
        )
    ]


def _draw(folder, images, seed, size):
    for below in ("images", "masks/envelope"):
        (folder / below).mkdir(parents=True)
    labels, scales = [], []
    for number, planned in enumerate(plan(images, seed)):
        strip = draw_strip(
            seed,
            _FIRST_INDEX + number,
            planned.flow,
            size,
            planned.quality,
            patient=_FIRST_INDEX + planned.patient,
        )
        name = f"echo{number + 1:04d}"
        file, mask = f"images/{name}.png", f"masks/envelope/{name}.png"
        Image.fromarray(strip.image).save(folder / file)
        white = strip.mask.astype(np.uint8) * 255
        Image.fromarray(white).save(folder / mask)
        patient = f"P{planned.patient + 1:04d}"
        quality = strip.quality if planned.labelled else ""
        labels.append((name, patient, strip.flow, quality))
        scales += [
            (name, axis, scale.unit, *map(cell, astuple(scale)[1:]))
            for axis, scale in strip.scale.axes.items()
        ]
        yield {
            "file": file,
            "masks": [mask],
            "patient": patient,
            "flow": strip.flow,
            "quality": strip.quality,
            "quality_labelled": planned.labelled,
            **strip.truth,
            "parameters": strip.parameters,
        }
    for file, columns, rows in (
        ("labels.csv", COLUMNS, labels),
        ("scales.csv", SCALE_COLUMNS, scales),
    ):
        write_csv(folder / file, pd.DataFrame(rows, columns=columns))
    write_yaml(
        folder / "tasks.yaml",
        TASKS,
        "umsrep prepare folder SOURCE OUT --config SOURCE/tasks.yaml",
    )


def _flows(images):
    """Flows in the shares of the paper; sums to `images`."""
    ends = np.cumsum([FLOW_SHARES[flow] for flow in FLOWS])
    ends = np.round(images * ends).astype(int)
    counts = np.diff([0, *ends])
    return [f for f, n in zip(FLOWS, counts, strict=True) for _ in range(n)]


def _qualities(images):
    low = round(images * LOW_SHARE)
    return ["low"] * low + ["good"] * (images - low)


def _shuffled(values, rng):
    return [values[i] for i in rng.permutation(len(values))]


def _patients(images, rng):
    """The patient of each image, counted from 0."""
    patients = []
    while len(patients) < images:
        number = patients[-1] + 1 if patients else 0
        count = rng.choice(IMAGES_PER_PATIENT, p=_REPEATS)
        patients += [number] * min(count, images - len(patients))
    return patients


ECHO = SyntheticSet("echo", 12, _draw)
