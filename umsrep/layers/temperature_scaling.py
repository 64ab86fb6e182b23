"""Temperature scaling inside a graph."""

import keras
from keras import ops

from umsrep.keras_import import BeginsFile

# As in `runs.calibration`: a softmax may be exactly 0.
_SMALLEST = 1e-7


@keras.saving.register_keras_serializable("umsrep")
class TemperatureScaling(BeginsFile, keras.layers.Layer):
    """Calibrated probabilities: logits divided by the temperature.

    Args:
        temperature: As in `runs.calibration.Calibration`, above 0.

    Input and output shape: (batch, classes), float32, sums to 1.
    """

    def __init__(self, temperature, **kwargs):
        kwargs["dtype"] = "float32"
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, probabilities):
        logits = ops.log(ops.maximum(probabilities, _SMALLEST))
        return ops.softmax(logits / self.temperature)

    def compute_output_spec(self, probabilities):
        return keras.KerasTensor(probabilities.shape, dtype="float32")

    def get_config(self):
        config = super().get_config()
        config.pop("dtype", None)
        return {**config, "temperature": self.temperature}
