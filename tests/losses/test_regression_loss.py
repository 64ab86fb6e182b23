import keras
import numpy as np
import pytest
from tensors import array

from umsrep.losses import StandardizedHuber

TRUE = np.array([[50.0], [50.0], [50.0]])
PREDICTED = np.array([[50.0], [55.0], [90.0]])


def test_one_value_per_image_in_units_of_the_scale():
    found = array(StandardizedHuber(10).call(TRUE, PREDICTED))
    # Half the square within one scale, a line beyond.
    np.testing.assert_allclose(found, [0, 0.125, 3.5])


def test_the_unit_does_not_matter():
    days = array(StandardizedHuber(3650).call(365 * TRUE, 365 * PREDICTED))
    years = array(StandardizedHuber(10).call(TRUE, PREDICTED))
    np.testing.assert_allclose(days, years, rtol=1e-5)


def test_without_a_delta_it_is_squared():
    found = array(StandardizedHuber(10, delta=None).call(TRUE, PREDICTED))
    np.testing.assert_allclose(found, [0, 0.125, 8])


def test_a_missing_label_is_not_averaged_in():
    loss = StandardizedHuber(10)
    weights = np.array([1.0, 1.0, 0.0])
    found = float(loss(TRUE, PREDICTED, sample_weight=weights))
    assert found == pytest.approx(0.125 / 2)


def test_its_scale_survives_serialization():
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(StandardizedHuber(12.5, delta=2.0))
    )
    assert (copy.scale, copy.delta) == (12.5, 2.0)
