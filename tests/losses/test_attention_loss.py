import keras
import numpy as np
import pytest
from tensors import array, gradients

from umsrep.errors import UmsrepError
from umsrep.losses import SelectiveMSE


def example(classes=(2, 0, None), size=(3, 4)):
    """Targets of images with these true classes (None: no target)."""
    rng = np.random.default_rng(0)
    true = np.full((len(classes), *size, 3), -1, "float32")
    for number, label in enumerate(classes):
        if label is not None:
            true[number, ..., label] = rng.uniform(0, 1, size)
    predicted = rng.uniform(0, 1, true.shape).astype("float32")
    return true, predicted


def test_is_the_mean_over_the_cells_of_the_true_class():
    true, predicted = example()
    got = array(SelectiveMSE().call(true, predicted))
    errors = (true - predicted) ** 2
    want = [errors[0, ..., 2].mean(), errors[1, ..., 0].mean(), 0]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_no_gradient_for_other_classes_or_without_target():
    true, predicted = example()
    variable = keras.Variable(predicted)
    (found,) = gradients(
        lambda: keras.ops.sum(SelectiveMSE().call(true, variable)), [variable]
    )
    moved = np.abs(found).max(axis=(1, 2)) > 0
    np.testing.assert_array_equal(
        moved,
        [[False, False, True], [True, False, False], [False, False, False]],
    )
    want = 2 * (predicted - true)[0, ..., 2] / 12
    np.testing.assert_allclose(found[0, ..., 2], want, rtol=1e-5)


def test_code_compares_class_0_with_any_heat_map():
    true, predicted = example()
    got = array(SelectiveMSE("code").call(true, predicted))
    want = [
        ((true[0, ..., 2] - predicted[0, ..., 0]) ** 2).mean(),
        ((true[1, ..., 0] - predicted[1, ..., 0]) ** 2).mean(),
        0,
    ]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_weight_0_is_never_averaged_in():
    true, predicted = example()
    loss = SelectiveMSE()
    got = loss(true, predicted, sample_weight=np.array([1.0, 1.0, 0.0]))
    want = array(loss.call(true, predicted))[:2].mean()
    assert float(array(got)) == pytest.approx(want, rel=1e-5)


def test_config_and_bad_fidelity():
    copy = SelectiveMSE.from_config(SelectiveMSE("code").get_config())
    assert copy.fidelity == "code"
    with pytest.raises(UmsrepError, match="Choose 'paper', or 'code'"):
        SelectiveMSE("exact")
