"""The contract of a representation."""

import functools

import keras

from umsrep.cells import Cells
from umsrep.errors import UmsrepError
from umsrep.registry import Registry
from umsrep.representations import geometry

registry = Registry("representation")


class Representation(keras.Model):
    """The shared encoder of one imaging modality (abstract).

    A functional Keras model from images, (batch, height, width, channels) with
    grey levels in [0, 255], to a dict of named features. Subclasses build the
    graph in `__init__` and call `super().__init__(inputs=..., outputs=...)`
    with it.

    Feature names: "stage1", "stage2", ... from fine to coarse, "bottleneck"
    for the coarsest, "decoded" for full-resolution features of a decoder, if
    there is one, and "intensity" for the (batch, 2) offset and scale of the
    intensity normalisation.

    Layers whose names start with "encoder_" or "decoder_" form the parts that
    a fine-tuning strategy can freeze.

    Attributes:
        origin: Where pretrained weights came from (see `KerasApplication`), or
            None.
    """

    origin: dict[str, str] | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of one image."""
        return tuple(self.input_shape[1:])

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features: from fine to coarse, then "decoded"."""
        return tuple(self.output)

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the encoder's features, from coarse to fine."""
        return ("bottleneck",) + tuple(
            name
            for name in reversed(self.output)
            if name.startswith("stage")
            and self.stride(name) < self.stride("bottleneck")
        )

    def cells(self, feature: str) -> Cells:
        """Where the cells of `feature` lie in the image.

        Computed from the layers (`geometry.cells_of`), so that maps on cells
        and pixels of the image fall together.

        Raises:
            UmsrepError: there is no such feature, or it has no rows and
                columns.
        """
        if feature not in self._cells:
            self._cells[feature] = geometry.cells_of(self, feature)
        return self._cells[feature]

    @functools.cached_property
    def _cells(self) -> dict[str, Cells]:
        return {}

    def stride(self, feature: str) -> int:
        """Pixels of the image per cell of `feature`, rounded."""
        return max(1, round(max(self.cells(feature).stride)))

    @property
    def moves_image(self) -> bool:
        """Whether its features are of a part of the image, such as a crop.

        Cells then lie in that part; `restored` brings maps back.
        """
        return False

    def restored(self, maps, images):
        """Maps of what the features are of, at their place in the images.

        Args:
            maps: (n, height, width), of the size of the images.
            images: (n, height, width, channels).

        Returns:
            (n, height, width) float32; the maps themselves, unless it
            `moves_image`.
        """
        return maps

    def visible(self, images):
        """What of the images the features can see, (n, height, width).

        In [0, 1]; None is all of it.

        Args:
            images: (n, height, width, channels).
        """
        return None

    def sources(self, feature: str) -> tuple[str, ...]:
        """Names of the encoder's features that `feature` is computed from.

        A feature of the encoder is its own source. A subclass with a decoder
        returns what the decoder reads.
        """
        if feature == "decoded":
            raise NotImplementedError(
                f"{type(self).__name__} has a decoder: implement sources() "
                "and decode()."
            )
        return (feature,)

    def decode(self, features):
        """The feature "decoded" from {name: tensor} of its `sources`.

        A subclass with a decoder implements it.
        """
        raise NotImplementedError

    def part(self, name: str) -> list[keras.layers.Layer]:
        """Layers of the part called `name` ("encoder" or "decoder")."""
        layers = [
            layer for layer in self.layers if layer.name.startswith(f"{name}_")
        ]
        if not layers:
            raise UmsrepError(
                f"Representation '{self.name}' has no part '{name}'. "
                f"Its parts: {', '.join(self.parts)}."
            )
        return layers

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that this representation has."""
        prefixes = {layer.name.split("_")[0] for layer in self.layers}
        return tuple(sorted(prefixes & {"encoder", "decoder"}))

    def fresh(self) -> "Representation":
        """The same network with newly initialised weights."""
        return type(self).from_config(self.get_config())

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


class Pretrained(Representation):
    """A representation that may have pretrained weights (abstract).

    A subclass keeps the arguments that build its graph in `_config`; where the
    weights came from goes into its file beside them, and not to a `fresh` one.
    """

    _config: dict

    def get_config(self) -> dict:
        return {**self._config, "origin": self.origin, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        # Of a file that has the weights themselves.
        origin = config.pop("origin", None)
        representation = cls(**config)
        representation.origin = origin
        return representation

    def fresh(self) -> "Representation":
        return type(self)(**self._config, name=self.name)
