"""One image's results in the form that the page draws.

Pictures are grey PNGs of one display size, as base64. What is a number on the
page (areas, Dice) is counted here at the image's own size, for each of the 101
thresholds that the page's slider can take, so that it is exact.
"""

import base64

import cv2
import numpy as np

from umsrep import tasks
from umsrep.data import intensities
from umsrep.data.frame import Frame
from umsrep.data.resizing import resize_image
from umsrep.errors import UmsrepError
from umsrep.predictor import check_finite

# Long side on the page: small images are enlarged, large ones reduced.
SIDES = (640, 1024)
STEPS = 100
# A class activation map for each class, at most for the likeliest.
EXPLAINED = 6


class Analysis:
    """What a predictor finds in an image, for the page.

    Args:
        predictor: A `Predictor`.
    """

    def __init__(self, predictor):
        self.predictor = predictor
        specs = predictor.specs
        kinds = {name: tasks.of(spec) for name, spec in specs.items()}
        self.explained = [
            n for n, k in kinds.items() if k.explained and self._explainable(n)
        ]
        # What the page shows of a result, by its form.
        self._shown = {
            "classes": self._classes,
            "mask": self._mask,
            "map": self._map,
            "number": self._number,
        }

    def _explainable(self, task):
        try:
            self.predictor.check_explainable(task)
        except UmsrepError:
            return False
        return True

    def describe(self):
        """The tasks, for the page's controls."""
        return [
            {
                "name": name,
                "form": tasks.get(spec.kind).form,
                "classes": list(spec.classes),
                "unit": spec.unit,
                "threshold": self.predictor.thresholds.get(name),
                "explained": name in self.explained,
            }
            for name, spec in self.predictor.specs.items()
        ]

    def __call__(self, image, references=None, prepared=False):
        """Analyses one image.

        Args:
            image: A `SourceImage`.
            references: {task: as `Dataset.target`, masks and maps of the
                image's size}, where known.
            prepared: It is of a prepared data set, so its size and aspect
                ratio are the set's and say nothing about the source.

        Returns:
            A dict of plain values.
        """
        references = references or {}
        grey = image.grey
        results = self.predictor([grey])
        check_finite("The image", {n: r[0] for n, r in results.items()})
        low, high = SIDES
        scale = np.clip(max(grey.shape), low, high) / max(grey.shape)
        size = tuple(max(1, round(side * scale)) for side in grey.shape)
        frame = Frame(grey.shape, self.predictor.image_size, self.predictor.fit)
        known = self.predictor.intensities
        if known is not None and prepared:
            known = {**known, "source_sizes": None}
        return {
            "height": grey.shape[0],
            "width": grey.shape[1],
            "spacing": image.pixel_spacing,
            "spacing_at": image.spacing_at,
            "prepared": self.predictor.fit if prepared else None,
            "compared": known is not None,
            "warnings": [
                *intensities.differences(frame.image(grey), grey.shape, known),
                *self.predictor.remarks(results)[0],
            ],
            "image": encoded(resize_image(grey, size)),
            "tasks": {
                name: self._shown[tasks.get(spec.kind).form](
                    spec, results[name][0], grey, size, references.get(name)
                )
                for name, spec in self.predictor.specs.items()
            },
        }

    def _mask(self, spec, values, grey, size, reference):
        thresholds = np.arange(STEPS + 1) / STEPS
        entry = {
            "probability": _heat(values, size),
            "areas": _above(values, thresholds),
        }
        if reference is not None:
            reference = np.asarray(reference, bool)
            entry["reference"] = _heat(reference.astype(np.float32), size)
            entry["reference_area"] = int(np.count_nonzero(reference))
            both = _above(values[reference], thresholds)
            entry["dice"] = [
                _dice(shared, area, entry["reference_area"])
                for shared, area in zip(both, entry["areas"], strict=True)
            ]
        return entry

    def _map(self, spec, values, grey, size, reference):
        entry = {"map": _heat(values / values.max(), size)}
        if reference is not None:
            entry["reference"] = _heat(reference / reference.max(), size)
        return entry

    def _number(self, spec, value, grey, size, reference):
        known = None if reference is None else float(reference)
        return {"value": float(value), "reference": known}

    def _classes(self, spec, probabilities, grey, size, reference):
        name = spec.name
        (decided,) = self.predictor.decide(name, probabilities[None])
        entry = {
            "probabilities": [float(p) for p in probabilities],
            "decided": int(decided),
            "reference": None if reference is None else spec.classes[reference],
            "maps": {},
        }
        if name in self.explained:
            likeliest = np.argsort(-probabilities)[:EXPLAINED]
            # The class decided for may be less likely than another.
            chosen = list(dict.fromkeys([int(decided), *map(int, likeliest)]))
            heats = self.predictor.explain(
                [grey] * len(chosen), name, np.array(chosen)
            )
            entry["maps"] = {
                spec.classes[index]: _heat(heat, size)
                for index, heat in zip(chosen, heats, strict=True)
            }
        return entry


def _above(values, thresholds):
    """How many values exceed each threshold, as the masks are decided."""
    ordered = np.sort(values, axis=None)
    # Compared in their own precision, as `values > threshold` is.
    below = np.searchsorted(ordered, thresholds.astype(ordered.dtype), "right")
    return [int(count) for count in ordered.size - below]


def _dice(shared, area, reference):
    total = area + reference
    return 2 * shared / total if total else 1.0


def _heat(values, size):
    """Values in [0, 1] as a picture."""
    smaller = size[0] < values.shape[0]
    drawn = cv2.resize(
        np.asarray(values, np.float32),
        size[::-1],
        interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR,
    )
    return encoded(np.rint(drawn.clip(0, 1) * 255).astype(np.uint8))


def encoded(picture):
    """A uint8 picture as PNG in base64."""
    data = cv2.imencode(".png", picture)[1].tobytes()
    return base64.b64encode(data).decode("ascii")
