"""The Keras models that our backbones are held against."""

import keras
import numpy as np

from umsrep.representations import efficientnet_lite0

# {name of ours: (function, its arguments)}
KERAS = {
    "resnet50": (keras.applications.ResNet50, {}),
    "efficientnetv2s": (
        keras.applications.EfficientNetV2S,
        {"include_preprocessing": False},
    ),
    "inception_resnet_v2": (keras.applications.InceptionResNetV2, {}),
    "vgg16": (keras.applications.VGG16, {}),
    "efficientnet_lite0": (efficientnet_lite0.build, {}),
    "efficientnetb0": (keras.applications.EfficientNetB0, {}),
    "densenet121": (keras.applications.DenseNet121, {}),
    "mobilenetv3": (
        keras.applications.MobileNetV3Large,
        {"include_preprocessing": False},
    ),
    "convnexttiny": (
        keras.applications.ConvNeXtTiny,
        {"include_preprocessing": False},
    ),
}


def padded(model):
    """A Keras model whose convolutions and poolings all pad."""

    def clone(layer):
        config = layer.get_config()
        if "padding" in config:
            config["padding"] = "same"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def prepare(model, images):
    """Gives batch norms statistics of images, and no ones and zeros."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [
            w + rng.uniform(0, 0.2, w.shape) if w.ndim == 1 else w
            for w in model.get_weights()
        ]
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)
