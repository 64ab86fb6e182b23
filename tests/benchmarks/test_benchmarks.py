"""What the benchmarks compare is the same, and their arithmetic is right."""

import keras
import numpy as np
import pytest

from benchmarks import contest, keras_training, limits, material, table
from umsrep import data


class Sleeper:
    """A contestant that says who worked when."""

    def __init__(self, fail=False):
        self.fail = fail

    def run(self):
        if self.fail:
            raise ValueError("too tired")
        return 7


class TestContest:
    def test_value_and_seconds(self):
        with contest.Contestant(f"{__name__}:Sleeper") as one:
            value, seconds = one.call("run")
        assert value == 7
        assert 0 < seconds < 5

    def test_failure_is_told(self):
        with contest.Contestant(f"{__name__}:Sleeper", {"fail": True}) as one:
            with pytest.raises(RuntimeError, match="too tired"):
                one.call("run")

    def test_turns(self):
        order = []

        class Fake:
            def __init__(self, name):
                self.name = name

            def call(self, method):
                order.append(self.name)
                return None, len(order)

        seconds = contest.rounds({"a": Fake("a"), "b": Fake("b")}, 2)
        assert order == ["a", "b", "b", "a"]
        assert seconds == {"a": [1, 4], "b": [2, 3]}

    def test_ratios_are_within_rounds(self):
        # The second round met a machine twice as slow.
        assert contest.median_ratio([4, 8, 4], [1, 2, 1]) == 4
        assert contest.spread([3, 1, 2]) == [1, 2, 3]


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("network", keras_training.NETWORKS)
def test_the_networks_are_the_same(network):
    ours = keras_training.Toolkit(network, 1, precision="float32")
    plain = keras_training.Plain(network, 1)
    assert ours.parameters() == plain.parameters()
    ours.model.set_weights(plain.model.get_weights())
    images, _ = keras_training.arrays(network, 1, seed=1)
    np.testing.assert_allclose(
        ours.model.predict_on_batch(images[:2])["task"],
        plain.model.predict_on_batch(images[:2]),
        atol=1e-4,
    )


def test_the_networks_of_pytorch_have_as_many_parameters():
    pytest.importorskip("torch")
    from benchmarks.torch_training import Torch

    for network in keras_training.NETWORKS:
        plain = keras_training.Plain(network, 1)
        other = Torch(network, 1, bfloat16=False)
        assert other.parameters() == plain.parameters()


def test_operations_of_two_convolutions():
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(3, 3, padding="same")(image)
    x = keras.layers.Conv2D(5, 1, strides=2)(x)
    # Multiplications and additions, forward and backward; the first layer
    # needs no gradient by the image.
    first, second = 8 * 8 * 3 * 9, 4 * 4 * 5 * 3
    assert limits.operations(keras.Model(image, x)) == 2 * (
        2 * first + 3 * second
    )


def test_many_images_are_a_prepared_set(tmp_path, monkeypatch):
    small = material.prepared
    monkeypatch.setattr(
        material,
        "prepared",
        lambda folder, layout, images, size: small(folder, layout, 4, size),
    )
    folder = material.many(tmp_path, 9, size=64)
    dataset = data.load(folder)
    assert len(dataset) == 9
    assert len(dataset.table["checksum"].unique()) == 9
    assert dataset.images.shape == (9, 64, 64, 1)


def test_table_replaces_its_part_only():
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    new = table.replace(page, "| new |")
    assert new.startswith("before\n")
    assert new.endswith("after\n")
    assert "old" not in new
    assert table.replace(new, "| new |") == new


def test_arrays_are_the_same_for_all():
    one = keras_training.arrays("unet", 1)
    two = keras_training.arrays("unet", 1)
    np.testing.assert_array_equal(one[0], two[0])
    assert set(np.unique(one[1])) == {0.0, 1.0}
