import math

import keras
import numpy as np
import pytest
from keras import ops
from tensors import array, gradients

from umsrep.balancing import FixedWeighting, UncertaintyWeighting
from umsrep.errors import UmsrepError

LN_2 = math.log(2)


def attached(balancer, tasks=("s", "c")):
    balancer.attach(tasks)
    return balancer


def value(balancer, present=(1.0, 1.0), **losses):
    tensors = {
        k: ops.convert_to_tensor(v, "float32") for k, v in losses.items()
    }
    flags = dict(zip(losses, map(ops.convert_to_tensor, present), strict=True))
    return balancer(tensors, flags)


def test_equal_weights_are_the_sum():
    assert float(value(attached(FixedWeighting()), s=2.0, c=3.0)) == 5.0


def test_given_weights():
    balancer = attached(FixedWeighting({"s": 0.5}))
    assert float(value(balancer, s=2.0, c=3.0)) == 4.0


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_equilibrium_of_appendix_a(sigma):
    # MT-UNet, Appendix A: the gradient vanishes at L = s^3 / (2 s + 2).
    balancer = attached(UncertaintyWeighting(initial={"s": sigma}), ("s",))
    loss = sigma**3 / (2 * sigma + 2)
    (gradient,) = gradients(
        lambda: value(balancer, present=(1.0,), s=loss),
        [balancer.log_sigma["s"]],
    )
    assert float(gradient) == pytest.approx(0, abs=1e-6)


def test_equation_1_minus_equation_5_is_ln_2():
    both = attached(UncertaintyWeighting())
    one = attached(UncertaintyWeighting(fixed="s"))
    difference = value(both, s=0.7, c=0.4) - value(one, s=0.7, c=0.4)
    assert float(array(difference)) == pytest.approx(math.log(2), abs=1e-6)
    assert set(one.log_sigma) == {"c"}


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_equilibrium_of_kendalls_form(sigma):
    balancer = attached(
        UncertaintyWeighting(initial={"s": sigma}, regularizer="log"), ("s",)
    )
    (gradient,) = gradients(
        lambda: value(balancer, present=(1.0,), s=sigma**2 / 2),
        [balancer.log_sigma["s"]],
    )
    assert float(gradient) == pytest.approx(0, abs=1e-6)
    assert float(array(value(balancer, (1.0,), s=0.0))) == pytest.approx(
        math.log(sigma), abs=1e-6
    )


LOSSES = {"gaze": 0.7, "finding": 0.4}


@pytest.mark.parametrize(
    ("scheme", "learnt", "paper", "code"),
    [
        # Sums at sigma = 1 (METHODS: MT-UNet's table of schemes).
        ("mtls1", {"gaze", "finding"}, 1.1 + 2 * LN_2, 0.75 + 2 * LN_2),
        ("mtls2", {"gaze"}, 1.1 + LN_2, 0.75 + 2 * LN_2),
        ("mtls3", {"finding"}, 1.1 + LN_2, 0.75 + 2 * LN_2),
    ],
)
def test_schemes_of_mt_unet(scheme, learnt, paper, code):
    for fidelity, expected in (("paper", paper), ("code", code)):
        balancer = attached(
            UncertaintyWeighting.scheme(scheme, "gaze", "finding", fidelity),
            ("gaze", "finding"),
        )
        assert set(balancer.log_sigma) == learnt
        total = value(balancer, **LOSSES)
        assert float(array(total)) == pytest.approx(expected, abs=1e-6)


def test_half_the_loss_is_half_the_gradient():
    whole = attached(UncertaintyWeighting(fixed=("s", "c")))
    half = attached(UncertaintyWeighting(fixed=("s", "c"), halved="s"))
    loss = keras.Variable(0.7)
    present = ops.convert_to_tensor(1.0)
    for balancer, expected in ((whole, 1.0), (half, 0.5)):
        (gradient,) = gradients(
            lambda balancer=balancer: balancer(
                {"s": loss * 1.0, "c": ops.convert_to_tensor(0.4)},
                {"s": present, "c": present},
            ),
            [loss],
        )
        assert float(gradient) == expected


def test_absent_task_gets_no_gradient():
    balancer = attached(UncertaintyWeighting())
    absent, present = gradients(
        lambda: value(balancer, present=(1.0, 0.0), s=0.7, c=0.0),
        [balancer.log_sigma["c"], balancer.log_sigma["s"]],
    )
    assert float(absent) == 0.0
    assert float(present) != 0.0


def test_sigmas_are_float32_under_mixed_precision():
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    balancer = attached(UncertaintyWeighting())
    assert balancer.log_sigma["s"].dtype == "float32"
    np.testing.assert_allclose(list(balancer.sigmas().values()), 1.0)


@pytest.mark.parametrize(
    ("balancer", "advice"),
    [
        (FixedWeighting({"lung": 1}), "Use their names"),
        (UncertaintyWeighting(fixed="lung"), "Use their names"),
        (UncertaintyWeighting(initial={"x": 1}), "Use their names"),
    ],
)
def test_unknown_task(balancer, advice):
    with pytest.raises(UmsrepError, match=advice):
        balancer.attach(("s", "c"))


@pytest.mark.parametrize(
    ("build", "advice"),
    [
        (lambda: UncertaintyWeighting(regularizer="l2"), "log1p, log"),
        (
            lambda: UncertaintyWeighting.scheme("mtls4", "a", "b"),
            "mtls1, mtls2, mtls3",
        ),
        (
            lambda: UncertaintyWeighting.scheme("mtls1", "a", "b", "exact"),
            "of paper, code",
        ),
    ],
)
def test_unknown_form(build, advice):
    with pytest.raises(UmsrepError, match=advice):
        build()


@pytest.mark.parametrize("start", [-20, -16])
@pytest.mark.parametrize("loss", [1e-3, 1.0])
def test_a_tiny_sigma_grows_under_adam(start, loss):
    # Further down Adam's square of the gradient is infinite, and its steps 0.
    balancer = attached(
        UncertaintyWeighting(initial={"s": math.exp(start)}), ("s",)
    )
    variable = balancer.log_sigma["s"]
    adam = keras.optimizers.Adam(6e-3)
    adam.build([variable])
    for step in range(1, 4):
        found = gradients(
            lambda: value(balancer, present=(1.0,), s=loss), [variable]
        )
        adam.apply([ops.convert_to_tensor(one) for one in found], [variable])
        moved = float(array(variable)) - start
        assert moved == pytest.approx(6e-3 * step, rel=0.05)


def test_sigma_out_of_range():
    with pytest.raises(UmsrepError, match="overflows float32"):
        UncertaintyWeighting(initial={"s": math.exp(-23)})
    for sigma in (math.inf, math.nan, 1e30, 0, -1):
        with pytest.raises(UmsrepError, match="Start from 1"):
            UncertaintyWeighting(initial={"s": sigma})
    with pytest.raises(UmsrepError, match="Leave one of them out"):
        UncertaintyWeighting(initial={"s": 2}, fixed="s")
    with pytest.raises(UmsrepError, match="at least 0"):
        FixedWeighting({"s": -1})
