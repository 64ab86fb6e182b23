import keras
import numpy as np
import pytest
from tensors import array, dtype

from umsrep.errors import UmsrepError
from umsrep.layers import SelfAttention

SHAPE = (2, 5, 4, 16)


@pytest.fixture
def layer():
    layer = SelfAttention(reduction=4)
    layer.build((None, *SHAPE[1:]))
    return layer


def feature():
    return np.random.default_rng(0).normal(0, 1, SHAPE).astype("float32")


def test_starts_as_the_identity(layer):
    np.testing.assert_array_equal(array(layer(feature())), feature())


def test_is_the_equation(layer):
    # Zhang et al. 2019, Equations 1 to 3, cell by cell.
    layer.gamma.assign(0.7)
    x = feature()
    got = array(layer(x))
    query, key, value = (
        x.reshape(2, 20, 16) @ part.get_weights()[0]
        for part in (layer.query, layer.key, layer.value)
    )
    assert query.shape == key.shape == (2, 20, 4)
    for image in range(2):
        for cell in range(20):
            scores = np.exp(key[image] @ query[image, cell])
            seen = (scores / scores.sum()) @ value[image]
            row, column = divmod(cell, 4)
            np.testing.assert_allclose(
                got[image, row, column],
                x[image, row, column] + 0.7 * seen,
                rtol=1e-4,
                atol=1e-5,
            )


def test_where_a_cell_lies_does_not_matter(layer):
    layer.gamma.assign(1.0)
    x = feature()
    order = np.random.default_rng(1).permutation(20)

    def shuffled(x):
        return x.reshape(2, 20, 16)[:, order].reshape(SHAPE)

    np.testing.assert_allclose(
        array(layer(shuffled(x))), shuffled(array(layer(x))), atol=1e-5
    )


def test_half_precision_and_config():
    layer = SelfAttention(reduction=2, dtype="mixed_bfloat16")
    assert dtype(layer(feature())) == "bfloat16"
    assert dtype(layer.gamma) == "float32"
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize("reduction", [0, 1.5])
def test_bad_reduction(reduction):
    with pytest.raises(UmsrepError, match="a whole number of at least 1"):
        SelfAttention(reduction=reduction)
