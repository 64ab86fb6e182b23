"""Taking away what lies outside a mask, inside a network."""

import keras
from keras import ops

from umsrep.data.focusing import GROWTH, MINIMUM, Focusing
from umsrep.keras_import import BeginsFile

# Probabilities within 1 / 16 of one half make a soft border. A hard one would
# turn the rounding errors of another runtime into another picture.
_STEEPNESS = 8.0


@keras.saving.register_keras_serializable("umsrep")
class Focus(BeginsFile, keras.layers.Layer):
    """Takes away what lies outside a predicted mask: `data.Focusing`.

    The same for masks of 0 and 1. A probability in between is steepened, so
    that the result is continuous in it, but for the decision that a mask has
    failed.

    Args:
        fill, margin, minimum: As of `data.Focusing`.

    Call arguments:
        images: (batch, height, width, channels), grey levels in [0, 255].
        masks: (batch, height, width, 1), probabilities.

    Output shape: that of the images, float32.
    """

    def __init__(self, fill="blank", margin=0.04, minimum=MINIMUM, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.focusing = Focusing(fill, margin, minimum)

    def call(self, images, masks):
        images = ops.cast(images, "float32")
        inside = self.inside(masks)
        if self.focusing.fill == "crop":
            return self._cropped(images, inside)
        kept = images * inside
        if self.focusing.fill == "blank":
            return kept
        axes = (1, 2, 3)
        channels = images.shape[-1]
        mean = ops.sum(kept, axis=axes, keepdims=True) / (
            channels * ops.sum(inside, axis=axes, keepdims=True)
        )
        return kept + (1.0 - inside) * mean

    def inside(self, masks):
        """(batch, height, width, 1) in [0, 1]: what is kept; 1 if failed."""
        organ = self._organ(masks)
        _, margin = self.focusing.radii(masks.shape[1:3])
        failed = self._failed(organ)[:, None, None, None]
        return ops.maximum(_largest(organ, margin), failed)

    def failed(self, masks):
        """(batch,) float32: 1 where a mask covers too little to be one."""
        return self._failed(self._organ(masks))

    def boxes(self, masks):
        """(batch, 4): top, bottom, left and right edge of what is kept.

        In pixels from the top left corner of the image.
        """
        return ops.stack(self._edges(self.inside(masks)), axis=1)

    def _organ(self, masks):
        masks = ops.cast(masks, "float32")
        soft = ops.clip(_STEEPNESS * (masks - 0.5) + 0.5, 0.0, 1.0)
        opening, _ = self.focusing.radii(masks.shape[1:3])
        organ = 1.0 - _largest(1.0 - soft, opening)
        for _ in range(GROWTH):
            organ = ops.minimum(_largest(organ, opening), soft)
        return organ

    def _failed(self, organ):
        pixels = organ.shape[1] * organ.shape[2]
        least = max(self.focusing.minimum, 1 / pixels)
        share = ops.mean(organ, axis=(1, 2, 3))
        return ops.cast(share < least, "float32")

    def _edges(self, inside):
        edges = []
        for axis in (2, 1):
            profile = ops.max(inside[..., 0], axis=axis)
            before = _reached(profile)
            after = _reached(ops.flip(profile, axis=1))
            length = profile.shape[1]
            edges += [
                ops.sum(1.0 - before, axis=1),
                length - ops.sum(1.0 - after, axis=1),
            ]
        return edges

    def _cropped(self, images, inside):
        top, bottom, left, right = self._edges(inside)
        rows = _entering(images.shape[1], top, bottom)
        columns = _entering(images.shape[2], left, right)
        x = ops.transpose(images, (0, 3, 1, 2))
        x = ops.matmul(rows[:, None], x)
        x = ops.matmul(x, ops.transpose(columns, (0, 2, 1))[:, None])
        return ops.transpose(x, (0, 2, 3, 1))

    def compute_output_spec(self, images, masks):
        return keras.KerasTensor(images.shape, dtype="float32")

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("dtype", None)
        return {
            **config,
            "fill": self.focusing.fill,
            "margin": self.focusing.margin,
            "minimum": self.focusing.minimum,
        }


def _largest(values, radii):
    """The largest of each window; a window is cut off at the border."""
    for axis, radius in enumerate(radii):
        if radius:
            window = [1, 1]
            window[axis] = 2 * radius + 1
            values = ops.max_pool(values, window, strides=1, padding="same")
    return values


def _reached(profile):
    """(batch, length): the largest value up to each position."""
    length = profile.shape[1]
    places = ops.arange(length)
    before = ops.cast(places[None, :] <= places[:, None], "float32")
    return ops.max(profile[:, None, :] * before[None], axis=2)


def _entering(length, start, end):
    """(batch, length, length) weights that enlarge [start, end)."""
    steps = (ops.cast(ops.arange(length), "float32") + 0.5) / length
    places = start[:, None] + steps[None] * (end - start)[:, None] - 0.5
    places = ops.clip(places, 0.0, length - 1.0)
    pixels = ops.cast(ops.arange(length), "float32")
    distance = ops.abs(places[:, :, None] - pixels[None, None])
    return ops.maximum(1.0 - distance, 0.0)
