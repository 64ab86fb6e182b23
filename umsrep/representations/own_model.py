"""A Keras model of your own as a representation."""

import keras

from umsrep.errors import UmsrepError
from umsrep.representations.base import Representation, registry


@registry.register("own_model")
class OwnModel(Representation):
    """Any functional Keras model, so that heads can be attached to it.

        own = keras.applications.ResNet50(
            include_top=False, weights=None, input_shape=(256, 256, 1)
        )
        representation = umsrep.representations.OwnModel(own)

    The weights are shared with the model, not copied. It receives images as
    they are, with grey levels in [0, 255], and must normalise them itself. All
    of its layers form the part "encoder".

    Features: "bottleneck" and those named in `features`.

    Args:
        model: A functional or sequential `keras.Model` of images (batch,
            height, width, channels) of a fixed size.
        bottleneck: Name of the layer whose output is the bottleneck; None
            takes the model's output.
        features: {feature: name of a layer}, further features.

    Raises:
        UmsrepError: several inputs, images without a fixed size, an unknown
            layer, or a feature without rows and columns.
    """

    def __init__(
        self,
        model: keras.Model,
        bottleneck: str | None = None,
        features: dict[str, str] | None = None,
        name: str = "own_model",
        **kwargs,
    ):
        _check(model)
        features = dict(features or {})
        outputs = {
            feature: _output(model, layer)
            for feature, layer in features.items()
        }
        outputs["bottleneck"] = _output(model, bottleneck)
        for feature, tensor in outputs.items():
            if len(getattr(tensor, "shape", ())) != 4:
                raise UmsrepError(
                    f"Feature '{feature}' of model '{model.name}' has the "
                    f"shape {getattr(tensor, 'shape', 'of several tensors')}; "
                    "expected (batch, rows, columns, channels). Name an "
                    "earlier layer, before pooling and dense layers."
                )
        super().__init__(
            inputs=model.inputs[0], outputs=outputs, name=name, **kwargs
        )
        self._config = {
            "model": keras.saving.serialize_keras_object(model),
            "bottleneck": bottleneck,
            "features": features,
        }

    @property
    def parts(self) -> tuple[str, ...]:
        return ("encoder",)

    def part(self, name):
        if name != "encoder":
            raise UmsrepError(
                f"Representation '{self.name}' has no part '{name}'. Its "
                "parts: encoder."
            )
        return [layer for layer in self.layers if layer.weights]

    def get_config(self) -> dict:
        return {**self._config, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["model"] = keras.saving.deserialize_keras_object(
            config["model"], custom_objects=custom_objects
        )
        return cls(**config)


def _check(model):
    inputs = getattr(model, "inputs", None)
    if not isinstance(model, keras.Model) or not inputs:
        raise UmsrepError(
            f"{type(model).__name__} is not a functional or built Keras model. "
            "Pass a keras.Model made of inputs and outputs."
        )
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise UmsrepError(
            f"Model '{model.name}' takes {[tuple(i.shape) for i in inputs]}; "
            "expected one batch of images, (batch, height, width, channels)."
        )
    if None in inputs[0].shape[1:]:
        raise UmsrepError(
            f"Model '{model.name}' takes images of {inputs[0].shape[1:]}. "
            "Build it for a fixed size, such as input_shape=(256, 256, 1)."
        )


def _output(model, layer):
    if layer is None:
        if len(model.outputs) > 1:
            raise UmsrepError(
                f"Model '{model.name}' has {len(model.outputs)} outputs. Name "
                "the layer that is the bottleneck."
            )
        return model.outputs[0]
    names = [existing.name for existing in model.layers]
    if layer not in names:
        raise UmsrepError(
            f"Model '{model.name}' has no layer '{layer}'. Its last layers: "
            f"{', '.join(names[-8:])}."
        )
    found = model.get_layer(layer)
    graph = getattr(model, "_functional", model)
    for nodes in graph._nodes_by_depth.values():
        for node in nodes:
            # Of a model within the model, `output` is a tensor of its own
            # graph, which this one does not hold.
            if node.operation is found and len(node.output_tensors) == 1:
                return node.output_tensors[0]
    return found.output
