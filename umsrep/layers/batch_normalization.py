"""Batch normalisation that uses the backend's fused kernel."""

import keras
from keras import ops

from umsrep import backend
from umsrep.keras_import import BeginsFile


@keras.saving.register_keras_serializable("umsrep")
class BatchNormalization(BeginsFile, keras.layers.BatchNormalization):
    """Keras's BatchNormalization, computed by one kernel while training.

    On TensorFlow, Keras composes this layer from several operations, which is
    slow to train on a CPU; the fused kernel gives the same outputs, gradients
    and moving statistics. Elsewhere, and for anything but (batch, height,
    width, channels) inputs normalised over their last axis, Keras's own
    computation is used. The weights are those of a plain
    `keras.layers.BatchNormalization`.

    Args:
        momentum: Share of the old moving statistics kept per step. The default
            of 0.9 (PyTorch's 0.1) follows the data within about 30 steps; with
            Keras's 0.99, validation in the first epochs on a small medical set
            means nothing, and early stopping reacts to noise.
        synchronized: Use the statistics of the batch that devices share. A
            layer built under a distribution always does; that is not a
            property of the layer, and is not saved with it.
        **kwargs: As for `keras.layers.BatchNormalization`.
    """

    def __init__(
        self, momentum: float = 0.9, synchronized: bool = False, **kwargs
    ):
        self._given_synchronized = synchronized
        super().__init__(
            momentum=momentum,
            synchronized=synchronized or backend.replicas() > 1,
            **kwargs,
        )

    def call(self, inputs, training=None, mask=None):
        fused = None
        if (
            training
            and self.trainable
            and mask is None
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and not self.synchronized
        ):
            # Those of Inception-ResNet have only an offset.
            shape = self.moving_mean.shape
            fused = backend.fused_batch_norm(
                inputs,
                self.gamma if self.scale else ops.ones(shape),
                self.beta if self.center else ops.zeros(shape),
                self.epsilon,
            )
        if fused is None:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = fused
        keep = self.momentum
        self.moving_mean.assign(
            self.moving_mean * keep + ops.cast(mean, "float32") * (1 - keep)
        )
        self.moving_variance.assign(
            self.moving_variance * keep
            + ops.cast(variance, "float32") * (1 - keep)
        )
        return outputs

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "synchronized": self._given_synchronized,
        }
