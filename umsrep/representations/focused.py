"""A representation that sees what lies inside a predicted mask."""

import keras
import numpy as np

from umsrep.cells import Cells
from umsrep.data.focusing import MINIMUM, restore
from umsrep.errors import UmsrepError
from umsrep.layers import Focus
from umsrep.representations.base import Representation

BATCH_SIZE = 32


@keras.saving.register_keras_serializable("umsrep")
class Focused(Representation):
    """Whole images in; features of what lies inside a mask out.

        image -> mask network -> mask
        image, mask -> `layers.Focus` -> representation -> features

    So whatever reads a network (prediction, evaluation, explanation, export)
    gives it whole images. It is put together after training; its parts are
    trained by themselves.

    Features: those of `inner`, and for each result of `whole` its picture,
    called `focus_<task>`.

    Args:
        inner: The `Representation` of focused images.
        whole: A functional `keras.Model` from whole images to {task: (batch,
            height, width, 1)}, of the same image shape; such as
            `keras.Model(model.input, model.output)` of a `MultiTaskModel`.
        task: The task of `whole` whose mask is kept.
        fill, margin, minimum: As of `data.Focusing`.

    Raises:
        UmsrepError: an unknown task, or other image shapes.
    """

    def __init__(
        self,
        inner: Representation,
        whole: keras.Model,
        task: str,
        fill: str = "blank",
        margin: float = 0.04,
        minimum: float = MINIMUM,
        name: str = "focused",
        **kwargs,
    ):
        if task not in whole.output:
            raise UmsrepError(
                f"task='{task}': the mask network predicts "
                f"{', '.join(whole.output)}. Name one of them."
            )
        shape = tuple(whole.input_shape[1:])
        if shape != inner.image_shape:
            raise UmsrepError(
                f"The mask network takes images of {shape}, the "
                f"representation of {inner.image_shape}. Expected one shape; "
                "train both on the same data, with the same channels."
            )
        images = keras.Input(shape, name="image")
        results = whole(images)
        focus = Focus(fill, margin, minimum, name=f"{name}_image")
        features = inner(focus(images, results[task]))
        pictures = {f"focus_{key}": value for key, value in results.items()}
        super().__init__(
            inputs=images, outputs={**features, **pictures}, name=name, **kwargs
        )
        self.origin = inner.origin
        self._config = {
            "inner": keras.saving.serialize_keras_object(inner),
            "whole": keras.saving.serialize_keras_object(whole),
            "task": task,
            "fill": fill,
            "margin": margin,
            "minimum": minimum,
        }

    @property
    def task(self) -> str:
        """The task whose mask is kept."""
        return self._config["task"]

    @property
    def focus(self) -> Focus:
        """The layer that takes the outside away."""
        return self.get_layer(f"{self.name}_image")

    @property
    def inner(self) -> Representation:
        """The representation of focused images."""
        (found,) = [x for x in self.layers if isinstance(x, Representation)]
        return found

    @property
    def moves_image(self) -> bool:
        return self._config["fill"] == "crop"

    def boxes(self, images):
        mask = self._mask_model()
        return self.focus.boxes(mask(images, training=False))

    def visible(self, images):
        if self.moves_image:
            # What else lies in the box stays visible.
            return None
        mask = self._mask_model()
        found = []
        for start in range(0, len(images), BATCH_SIZE):
            part = images[start : start + BATCH_SIZE]
            inside = self.focus.inside(mask(part, training=False))
            found.append(keras.ops.convert_to_numpy(inside)[..., 0])
        return np.concatenate(found)

    def _mask_model(self):
        # A model of its own: the features need not be computed for it.
        return keras.Model(self.input, self.output[f"focus_{self.task}"])

    def restored(self, maps, images):
        if not self.moves_image:
            return maps
        boxes = keras.ops.convert_to_numpy(self.boxes(images))
        return restore(maps, boxes)

    def cells(self, feature: str) -> Cells:
        if feature.startswith("focus_"):
            return super().cells(feature)
        return self.inner.cells(feature)

    def sources(self, feature: str) -> tuple[str, ...]:
        return self.inner.sources(feature)

    def decode(self, features):
        return self.inner.decode(features)

    @property
    def parts(self) -> tuple[str, ...]:
        return self.inner.parts

    def part(self, name):
        return self.inner.part(name)

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for part in ("inner", "whole"):
            config[part] = keras.saving.deserialize_keras_object(
                config[part], custom_objects=custom_objects
            )
        return cls(**config)
