"""What is written about one image: cells of predictions.csv, and pictures.

One class per form of a result (`TaskKind.form`), in `OUTPUTS`. Each is made of
(predictor, task, pictures), has `columns`, the names of its cells, and
`write(folder, item)`, which writes its pictures below `folder` and returns its
cells. Those of derived tasks are in `derived_output`.
"""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from umsrep import tasks as task_kinds
from umsrep.data import storage
from umsrep.data.images import write_png
from umsrep.data.source_image import SourceImage
from umsrep.figures import overlays
from umsrep.inference.listing import Source
from umsrep.tasks.map import Map

MILLIMETRES_PER_INCH = 25.4
# Long side of overlays: readable on a screen, and small for thousands.
OVERLAY_SIDES = (512, 1024)
DECIMALS = 6


@dataclass
class Item:
    """One image and its results.

    Attributes:
        source: Where it is, and its results' name.
        image: As read.
        results: {task: result} of a `Predictor`, this image's.
        heats: {label task: (height, width) in [0, 1]} of an explanation.
        warnings: Texts.
    """

    source: Source
    image: SourceImage
    results: dict = field(default_factory=dict)
    heats: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)

    @property
    def side(self):
        """Long side of its overlays."""
        low, high = OVERLAY_SIDES
        return int(np.clip(max(self.image.grey.shape), low, high))


def outputs_of(predictor, tasks, explain=None, pictures=True):
    """The outputs of some tasks.

    Args:
        predictor: A `Predictor`.
        tasks: Names of its tasks.
        explain: Name of an explainer, or None.
        pictures: Write overlays.
    """
    outputs = [ImageOutput()]
    for task in tasks:
        kind = task_kinds.of(predictor.specs[task])
        outputs.append(OUTPUTS[kind.form](predictor, task, pictures))
        if kind.explained and explain is not None:
            outputs.append(ExplanationOutput(task, explain))
    return outputs


class ImageOutput:
    """Which image it is, its size and its spacing."""

    columns = (
        "image",
        "name",
        "height",
        "width",
        "spacing_row_mm",
        "spacing_column_mm",
        "spacing_at",
    )

    def write(self, folder, item):
        rows, columns = item.image.pixel_spacing or ("", "")
        height, width = item.image.grey.shape
        values = (
            str(item.source.path),
            item.source.name,
            height,
            width,
            rows,
            columns,
            item.image.spacing_at or "",
        )
        return dict(zip(self.columns, values, strict=True))


class LabelOutput:
    """The class decided for, and calibrated probabilities."""

    def __init__(self, predictor, task, pictures):
        self.predictor = predictor
        self.task = task
        self.classes = predictor.specs[task].classes
        self.columns = (
            f"{task}_pred",
            *(f"{task}_p_{name}" for name in self.classes),
        )

    def write(self, folder, item):
        probabilities = item.results[self.task]
        (decided,) = self.predictor.decide(self.task, probabilities[None])
        cells = (
            self.classes[decided],
            *(round(float(p), DECIMALS) for p in probabilities),
        )
        return dict(zip(self.columns, cells, strict=True))


class MaskOutput:
    """A mask at the image's own size, and its area.

    Written as PNG, 0 outside and 255 inside. Where the pixels' spacing is
    known the PNG says it (chunk pHYs, in whole pixels per metre).
    """

    def __init__(self, predictor, task, pictures):
        self.task = task
        self.threshold = predictor.thresholds[task]
        self.pictures = pictures
        self.columns = (f"{task}_area_px", f"{task}_area_mm2")

    def write(self, folder, item):
        inside = item.results[self.task] > self.threshold
        file = folder / "masks" / self.task / f"{item.source.name}.png"
        _write_mask(file, inside, item.image.pixel_spacing)
        if self.pictures:
            picture = overlays.mask_overlay(
                item.image.grey, None, inside, item.side
            )
            write_png(
                folder / "overlays" / self.task / f"{item.source.name}.png",
                picture,
            )
        pixels = int(np.count_nonzero(inside))
        spacing = item.image.pixel_spacing
        area = "" if spacing is None else round(pixels * np.prod(spacing), 3)
        return dict(zip(self.columns, (pixels, area), strict=True))


def _write_mask(file, inside, spacing):
    options = {}
    if spacing is not None:
        rows, columns = (MILLIMETRES_PER_INCH / length for length in spacing)
        options["dpi"] = (columns, rows)
    with storage.atomic_path(file) as temporary:
        Image.fromarray(inside.astype(np.uint8) * 255).save(
            temporary, format="PNG", **options
        )


class MapOutput:
    """A distribution over the pixels, at the image's own size.

    Written as a 16-bit PNG, its maximum 65535; divided by their sum, the
    pixels are the distribution again.
    """

    def __init__(self, predictor, task, pictures):
        self.task = task
        self.pictures = pictures
        self.columns = (f"{task}_peak_x", f"{task}_peak_y")

    def write(self, folder, item):
        values = item.results[self.task]
        name = f"{item.source.name}.png"
        write_png(folder / "maps" / self.task / name, Map.encode(values))
        if self.pictures:
            write_png(
                folder / "overlays" / self.task / name,
                overlays.heat_overlay(
                    item.image.grey, values / values.max(), side=item.side
                ),
            )
        row, column = np.unravel_index(np.argmax(values), values.shape)
        return dict(zip(self.columns, (int(column), int(row)), strict=True))


class NumberOutput:
    """A number in the task's unit."""

    def __init__(self, predictor, task, pictures):
        self.task = task
        self.columns = (f"{task}_pred",)

    def write(self, folder, item):
        value = round(float(item.results[self.task]), DECIMALS)
        return {self.columns[0]: value}


OUTPUTS = {
    "classes": LabelOutput,
    "mask": MaskOutput,
    "map": MapOutput,
    "number": NumberOutput,
}


class ExplanationOutput:
    """What speaks for the class decided for, over the image."""

    columns = ()

    def __init__(self, task, method):
        self.task = task
        self.method = method

    def write(self, folder, item):
        picture = overlays.heat_overlay(
            item.image.grey, item.heats[self.task], side=item.side
        )
        name = f"{item.source.name}.png"
        write_png(folder / self.method / self.task / name, picture)
        return {}
