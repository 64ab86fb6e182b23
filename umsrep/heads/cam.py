"""The CAM head of GG-CAM."""

from keras import ops

from umsrep import layers
from umsrep.errors import UmsrepError
from umsrep.heads.base import registry
from umsrep.heads.label import LabelHead


@registry.register("cam")
class CAMHead(LabelHead):
    """Class probabilities by way of explicit class activation maps.

    `Omega_c = sum_k Lambda_ck A_k + lambda_c`, `y_c = mean_ij Omega_c`,
    softmax (GG-CAM, Zhu et al. 2022, Equations 4 and 5). Parameters and logits
    are those of global average pooling and a dense layer
    (`ClassificationHead(hidden_units=0, dropout=0)`), but the maps are there
    to be supervised: the head provides them as `<name>_cam`, (batch, rows,
    columns, num_classes), for an `AttentionHead`.

    Args:
        num_classes: At least 2.
        name: The task.
        features: The feature whose cells become the cells of the maps.
        loss: Default: categorical cross-entropy.
        fidelity: "paper"; or "code", for the mean over channels of the
            authors' published code (see `layers.ClassMaps`).

    Output shape: (batch, num_classes), float32, sums to 1.

    Raises:
        UmsrepError: in a model whose images are so small that the feature has
            a single cell, where a map says nothing.
    """

    has_maps = True

    def __init__(
        self,
        num_classes,
        name,
        features="bottleneck",
        loss=None,
        fidelity="paper",
        **kwargs,
    ):
        # Keras would hand the features on in the layer's own number format.
        kwargs["dtype"] = "float32"
        super().__init__(num_classes, name, features, loss, **kwargs)
        if len(self.feature_names) != 1:
            raise UmsrepError(
                f"Head '{name}': features={features}; a map has the cells of "
                "one feature. Name a single one, such as 'bottleneck'."
            )
        self.fidelity = fidelity
        # Also a layer of the model's graph, so its name is unique there.
        self.class_maps = layers.ClassMaps(
            num_classes, fidelity, name=f"{name}_cam"
        )

    def attach(self, representation):
        (feature,) = self.feature_names
        if feature not in representation.features:
            return
        shape = representation.output[feature].shape
        if len(shape) != 4:
            raise UmsrepError(
                f"Head '{self.name}': feature '{feature}' has the shape "
                f"{shape}, which has no rows and columns. Pass features="
                "'bottleneck'."
            )
        if shape[1:3] == (1, 1):
            least = representation.stride(feature) + 1
            raise UmsrepError(
                f"Head '{self.name}': on images of "
                f"{representation.image_shape[:2]} pixels feature '{feature}' "
                "is a single cell, so there is no map. Use images of at "
                f"least {least} pixels a side, or a finer feature."
            )

    def build(self, input_shape):
        self.class_maps.build(input_shape[0])

    def provide(self, features):
        return {f"{self.name}_cam": self.maps(features)}

    def maps(self, features, training=None):
        """The class activation maps, (batch, rows, columns, num_classes)."""
        return self.class_maps(features[0])

    def logits(self, features, training=None):
        """Scores before the softmax, (batch, num_classes), float32."""
        return self.class_maps.logits(features[0])

    def call(self, features, training=None):
        return ops.softmax(self.logits(features))

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return {
            **config,
            "fidelity": self.fidelity,
        }
