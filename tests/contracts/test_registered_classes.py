"""Every registered class keeps the contract of its kind."""

import keras
import numpy as np
import pytest
from tensors import dtype

from umsrep import MultiTaskModel, balancing, derived, finetuning
from umsrep import heads as head_package
from umsrep import representations as representation_package
from umsrep.errors import UmsrepError
from umsrep.registry import Registry

# What a class cannot be built without.
HEAD_ARGUMENTS = {
    "attention": {"name": "task", "features": "other_cam"},
    "cam": {"num_classes": 3, "name": "task"},
    "dense": {"num_classes": 3, "name": "task"},
    "linear": {"num_classes": 3, "name": "task"},
    "segmentation": {"name": "task"},
    "reconstruction": {"name": "task"},
}
REPRESENTATION_ARGUMENTS = {
    "conv_autoencoder": {"image_shape": (32, 32, 1), "filters": (4, 6)},
    "dilated_cnn": {
        "image_shape": (32, 32, 1),
        "filters": (2, 2, 3, 3, 4, 4),
    },
    "keras_application": {
        "image_shape": (32, 32, 1),
        "width": 0.0625,
        "depth": 0.1,
    },
    "keras_hub": {
        "image_shape": (32, 32, 1),
        "backbone": {
            "class_name": "DenseNetBackbone",
            "config": {
                "stackwise_num_repeats": [1, 1],
                "growth_rate": 4,
                "image_shape": (None, None, 3),
            },
            "scale": 1 / 255,
            "offset": 0.0,
        },
    },
    "msi_net": {"image_shape": (32, 32, 1), "width": 0.0625},
    "simple_net": {
        "image_shape": (32, 32, 1),
        "width": 0.0625,
        "depth": 0.1,
    },
    "own_model": {
        "model": keras.Sequential(
            [
                keras.Input((32, 32, 1)),
                keras.layers.Conv2D(4, 3, strides=2, padding="same"),
            ]
        )
    },
    "unet": {"image_shape": (32, 32, 1), "width": 2, "depth": 3},
    "vgg_ssm": {"image_shape": (32, 32, 1), "width": 0.0625},
}


def build_head(name, cls):
    return cls(**HEAD_ARGUMENTS.get(name, {"name": "task"}))


def model_of(name, head):
    """A model with the head as its one task, and what it reads."""
    heads = [head]
    if name == "attention":
        heads.insert(0, head_package.CAMHead(3, "other"))
    return MultiTaskModel(representation(), heads, tasks=[head.name])


def representation():
    return representation_package.ConvAutoencoder((32, 32, 1), filters=(4, 6))


@pytest.mark.parametrize(("name", "cls"), head_package.registry.items())
class TestHead:
    def test_name_survives_serialization(self, name, cls):
        head = build_head(name, cls)
        config = keras.saving.serialize_keras_object(head)
        copy = keras.saving.deserialize_keras_object(config)
        assert copy.name == "task"
        assert copy.features == head.features
        assert copy.get_config() == head.get_config()

    def test_prediction_is_float32_in_mixed_precision(self, name, cls):
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = model_of(name, build_head(name, cls))
        x = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1))
        output = model(x)["task"]
        assert dtype(output) == "float32"
        assert model.output["task"].dtype == "float32"
        assert model.output["task"].shape[1:] == output.shape[1:]

    def test_loss_has_one_value_per_image(self, name, cls):
        head = build_head(name, cls)
        model = model_of(name, head)
        x = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 1))
        predicted = model(x)["task"]
        true = (
            np.zeros(3, "int32")
            if head.kind == "label"
            else np.zeros(predicted.shape, "float32")
        )
        assert head.loss.call(true, predicted).shape == (3,)


@pytest.mark.parametrize(("name", "cls"), balancing.registry.items())
class TestBalancer:
    def test_gives_a_float32_scalar_and_a_config(self, name, cls):
        balancer = cls()
        balancer.attach(("a", "b"))
        one = keras.ops.convert_to_tensor(1.0)
        total = balancer({"a": one, "b": one}, {"a": one, "b": one})
        assert total.shape == ()
        assert dtype(total) == "float32"
        copy = cls.from_config(balancer.get_config())
        assert copy.get_config() == balancer.get_config()


@pytest.mark.parametrize(
    ("name", "cls"), representation_package.registry.items()
)
def test_representation_rebuilds_from_its_config(name, cls):
    one = cls(**REPRESENTATION_ARGUMENTS.get(name, {}))
    two = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(one)
    )
    assert two.features == one.features
    assert [w.shape for w in two.weights] == [w.shape for w in one.weights]
    assert "bottleneck" in one.features


@pytest.mark.parametrize(
    ("name", "cls"), representation_package.registry.items()
)
def test_decoder_follows_from_its_sources(name, cls):
    # What the cache of a frozen encoder's features relies on.
    one = cls(**REPRESENTATION_ARGUMENTS.get(name, {}))
    if "decoded" not in one.features:
        return
    x = np.random.default_rng(0).uniform(0, 255, (2, *one.image_shape))
    features = one(x)
    names = one.sources("decoded")
    assert "decoded" not in names
    again = one.decode({key: features[key] for key in names})
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(again),
        keras.ops.convert_to_numpy(features["decoded"]),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(("name", "cls"), finetuning.registry.items())
def test_strategy_is_a_strategy(name, cls):
    assert issubclass(cls, finetuning.FineTuning)
    assert cls.__doc__


@pytest.mark.parametrize(("name", "cls"), derived.registry.items())
def test_derived_task_is_one(name, cls):
    assert issubclass(cls, derived.DerivedTask)


class TestRegistry:
    def test_duplicate_raises(self):
        registry = Registry("thing", serializable=False)
        registry.register("a")(int)
        with pytest.raises(UmsrepError, match="Choose another name"):
            registry.register("a")(float)

    def test_a_notebook_s_cell_may_be_run_again(self):
        registry = Registry("thing", serializable=False)
        first, again, other = (
            type(name, (), {"__module__": "__main__", "__qualname__": name})
            for name in ("Own", "Own", "Other")
        )
        registry.register("a")(first)
        registry.register("a")(again)
        assert registry.get("a") is again
        with pytest.raises(UmsrepError, match="Choose another name"):
            registry.register("a")(other)

    def test_miss_lists_what_exists(self):
        registry = Registry("thing", serializable=False)
        registry.register("a")(int)
        with pytest.raises(UmsrepError, match="Registered: a"):
            registry.get("b")
