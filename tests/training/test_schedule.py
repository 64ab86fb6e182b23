import pytest

from umsrep.errors import UmsrepError
from umsrep.training import Schedule


def test_cosine_falls_from_start_to_one_percent():
    schedule = Schedule(1e-2)
    rates = [schedule.rate(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(1e-2)
    assert rates[50] == pytest.approx(1e-2 * (0.01 + 0.99 / 2))
    assert rates[100] == pytest.approx(1e-4)
    assert all(a >= b for a, b in zip(rates, rates[1:], strict=False))


def test_warmup_rises():
    schedule = Schedule(1e-2, decay="constant", warmup_steps=4)
    rates = [schedule.rate(step, 100) for step in range(6)]
    assert rates[:4] == pytest.approx([2e-3, 4e-3, 6e-3, 8e-3])
    assert rates[4] == rates[5] == 1e-2


def test_plateau_reduces_after_patience():
    schedule = Schedule(1.0, decay="plateau", factor=0.1, patience=2)
    for epoch, loss in enumerate([3, 2, 2, 2, 2, 2]):
        schedule.update(epoch, loss)
    # Best at epoch 1; reduced at 3 and, counted anew, at 5.
    assert schedule.rate(0, 1) == pytest.approx(0.01)
    assert schedule.best_epoch == 1


def test_a_plateau_is_p_epochs_and_not_one_more():
    # As the papers say; PyTorch, and so their code, waits for P + 1.
    schedule = Schedule.of_mt_unet(1e-4, patience=40)
    schedule.update(0, 1.0)
    rates = []
    for epoch in range(1, 41):
        schedule.update(epoch, 1.0)
        rates.append(schedule.rate(0, 1))
    assert rates[:39] == pytest.approx([1e-4] * 39)
    assert rates[39] == pytest.approx(1e-5)


def test_the_least_gain_is_a_gain():
    # PyTorch asks for a ten-thousandth more.
    schedule = Schedule.of_mt_unet(1e-4, patience=2)
    for epoch in range(10):
        schedule.update(epoch, 1.0 - 1e-6 * epoch)
    assert schedule.rate(0, 1) == pytest.approx(1e-4)


def test_stops_after_stop_patience():
    schedule = Schedule(stop_patience=3)
    losses = [2.0, 1.0, 1.5, 1.5, 1.5, 1.5]
    for epoch, loss in enumerate(losses):
        schedule.update(epoch, loss)
        if schedule.stopped:
            break
    assert epoch == 4


def test_state_goes_on_where_it_was():
    losses = [3, 2, 2, 2.5, 2.4, 1.9, 2, 2, 2, 2]
    options = {"decay": "plateau", "patience": 2, "stop_patience": 4}
    straight = Schedule(**options)
    for epoch, loss in enumerate(losses):
        straight.update(epoch, loss)
    broken = Schedule(**options)
    for epoch, loss in enumerate(losses):
        again = Schedule(**options)
        again.restore(broken.state())
        again.update(epoch, loss)
        broken = again
    assert broken.state() == straight.state()


@pytest.mark.parametrize(
    ("build", "advice"),
    [
        (lambda: Schedule(decay="step"), "constant, cosine, plateau"),
        (lambda: Schedule(0), "such as 1e-3"),
        (lambda: Schedule().update(0, float("nan")), "Lower the learning"),
    ],
)
def test_bad_input(build, advice):
    with pytest.raises(UmsrepError, match=advice):
        build()


def test_mt_unets_stop_rules():
    schedule = Schedule.of_mt_unet(1e-4, patience=3)
    assert schedule.stop_patience == 9
    schedule.update(0, 1.0)
    for epoch in range(1, 30):
        schedule.update(epoch, 2.0)
        if schedule.stopped:
            break
    assert epoch == 9
    assert schedule.rate(0, 1) == pytest.approx(1e-7)


def test_stops_below_the_smallest_rate_and_not_at_it():
    schedule = Schedule(
        1e-4, "plateau", factor=0.1, patience=1, smallest_rate=1e-8
    )
    schedule.update(0, 1.0)
    rates = []
    while not schedule.stopped:
        schedule.update(len(rates) + 1, 2.0)
        rates.append(schedule.rate(0, 1))
    assert rates == pytest.approx([1e-5, 1e-6, 1e-7, 1e-8, 1e-9])


def test_unknown_monitor():
    with pytest.raises(UmsrepError, match="losses, balanced"):
        Schedule(monitor="auc")
