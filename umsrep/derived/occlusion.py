"""Occlusion: what a class loses when part of the image is covered."""

import numpy as np

from umsrep.cells import Cells
from umsrep.derived.base import registry
from umsrep.derived.explainer import Explainer, scaled
from umsrep.errors import UmsrepError


@registry.register("occlusion")
class Occlusion(Explainer):
    """Drop in a class's probability under a patch, position by position.

    Zeiler & Fergus 2014, Section 4.2. It relies only on the model's answers to
    changed images, not on its layers, which makes it the reference for the
    other explainers; with one forward pass per position it is slow. `grids`
    has a cell for each position of the patch: positive where covering lowers
    the probability, negative where it raises it. In the full-size map, a pixel
    has the mean of the patches that cover it.

    Args:
        patch: Side of the square, in pixels.
        stride: Pixels between positions, at most `patch`; the last position
            of a row ends at the border. Default: half the patch.
        fill: Grey level of the patch, in [0, 255]; None is the image's mean.
        task, class_index, batch_size, and call arguments: As for `Explainer`.

    Raises:
        UmsrepError: a patch larger than the image, or a stride that leaves
            pixels uncovered.
    """

    def __init__(
        self,
        task: str,
        patch: int = 32,
        stride: int | None = None,
        fill: float | None = None,
        class_index: int | None = None,
        batch_size: int = 32,
    ):
        super().__init__(task, class_index, batch_size)
        self.patch = int(patch)
        self.stride = int(max(1, patch // 2) if stride is None else stride)
        self.fill = fill
        if patch < 1 or not 1 <= self.stride <= patch:
            raise UmsrepError(
                f"patch={patch}, stride={stride}: expected a patch of at "
                "least 1 pixel and a stride from 1 to the patch, so that "
                "every pixel is covered."
            )

    def raw(self, model, head, images, classes):
        rows, columns = (self._starts(n) for n in np.shape(images)[1:3])
        corners = [(top, left) for top in rows for left in columns]
        if model not in self._compiled:
            self._compiled[model] = model.view(self.task)
        view = self._compiled[model]

        def predict(batch):
            return np.asarray(view.predict_on_batch(batch)[self.task])

        grids = []
        for image, index in zip(images, classes, strict=True):
            image = np.asarray(image, np.float32)
            fill = image.mean((0, 1)) if self.fill is None else self.fill
            whole = predict(image[None])[0]
            index = whole.argmax() if index < 0 else index
            covered = []
            for start in range(0, len(corners), self.batch_size):
                here = corners[start : start + self.batch_size]
                batch = np.repeat(image[None], len(here), axis=0)
                for copy, (top, left) in zip(batch, here, strict=True):
                    square = np.s_[
                        top : top + self.patch, left : left + self.patch
                    ]
                    copy[square] = fill
                covered.append(predict(batch)[:, index])
            drop = whole[index] - np.concatenate(covered)
            grids.append(drop.reshape(len(rows), len(columns)))
        return np.stack(grids).astype(np.float32)

    def cells(self, model, grid):
        """The patches' centres; the last of a row may lie before its cell's.

        It ends at the border, and so less than a stride after the one before.
        """
        centre = (self.patch - 1) / 2
        return Cells(
            grid,
            model.representation.image_shape[:2],
            (self.stride, self.stride),
            (centre, centre),
        )

    def enlarge(self, model, grids):
        size = model.representation.image_shape[:2]
        rows, columns = (self._starts(n) for n in size)
        sums = np.zeros((len(grids), *size), np.float32)
        counts = np.zeros(size, np.float32)
        for i, top in enumerate(rows):
            for j, left in enumerate(columns):
                here = np.s_[top : top + self.patch, left : left + self.patch]
                sums[:, *here] += np.asarray(grids)[:, i, j, None, None]
                counts[here] += 1
        return scaled(sums / counts)

    def _starts(self, length):
        if self.patch > length:
            raise UmsrepError(
                f"patch={self.patch}: the images have a side of {length} "
                "pixels. Choose a smaller patch, such as an eighth of that."
            )
        last = length - self.patch
        return sorted({*range(0, last + 1, self.stride), last})
