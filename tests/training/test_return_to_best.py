"""Reduce on plateau and return to the best epoch (MT-UNet, Appendix B)."""

import keras
import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel, balancing, heads, representations
from umsrep.training import Group, Lane, Schedule, loop, train


class Batches:
    """A few fixed batches of the toy task."""

    features = None

    def __init__(self, seed, count):
        rng = np.random.default_rng(seed)
        self.items = []
        for _ in range(count):
            x = rng.uniform(0, 255, (4, 16, 16, 1)).astype("float32")
            y = {"level": rng.integers(0, 2, 4).astype("int32")}
            self.items.append((x, y, {"level": np.ones(4, "float32")}))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]

    def set_epoch(self, epoch):
        pass


def group(schedule):
    keras.utils.set_random_seed(3)
    model = MultiTaskModel(
        representations.ConvAutoencoder((16, 16, 1), filters=(4, 6)),
        heads.ClassificationHead(2, "level"),
        balancing.UncertaintyWeighting(),
    )
    model.compile("adam", jit_compile=False)
    return Group([Lane("level", model, Batches(0, 3), Batches(1, 1))], schedule)


def schedule(**options):
    # Random labels: validation soon gets worse, and the plateau comes.
    options = {"learning_rate": 0.05, "patience": 2} | options
    return Schedule(decay="plateau", factor=0.1, stop_patience=20, **options)


def state(group):
    optimizers = [
        v for lane in group.lanes for v in lane.model.optimizer.variables
    ]
    return [array(v).copy() for v in group.variables() + optimizers]


def test_weights_sigma_and_optimizer_are_those_of_the_best_epoch(monkeypatch):
    one = group(schedule(return_to_best=True))
    seen, returned = {}, []
    update = Schedule.update

    def spy(self, epoch, loss):
        seen[epoch] = state(one)
        return update(self, epoch, loss)

    go_back = Group.return_to_best

    def spy_back(self):
        go_back(self)
        returned.append((self.schedule.best_epoch, state(self)))

    monkeypatch.setattr(Schedule, "update", spy)
    monkeypatch.setattr(Group, "return_to_best", spy_back)
    train([one], 8, progress=False)
    # At least one reduction, and the end of the training.
    assert len(returned) >= 2
    for best, after in returned:
        for got, want in zip(after, seen[best], strict=True):
            np.testing.assert_array_equal(got, want)
    best, _ = returned[0]
    reduced = best + 2
    differs = [
        np.any(a != b) for a, b in zip(seen[reduced], seen[best], strict=True)
    ]
    assert any(differs)


def test_without_it_training_goes_on_from_where_it_is(monkeypatch):
    one = group(schedule())
    calls = []
    monkeypatch.setattr(Group, "return_to_best", lambda self: calls.append(1))
    history = train([one], 8, progress=False)
    assert history["learning_rate_level"].nunique() > 1
    assert len(calls) == 1


def test_interrupted_training_ends_as_the_straight_one(tmp_path):
    straight = group(schedule(return_to_best=True))
    table = train([straight], 8, progress=False)
    for epochs in (3, 5, 8):
        broken = group(schedule(return_to_best=True))
        again = train([broken], epochs, tmp_path, progress=False)
    for got, want in zip(state(broken), state(straight), strict=True):
        np.testing.assert_array_equal(got, want)
    column = "val_loss_level"
    assert list(again[column]) == list(table[column])


def test_balanced_is_what_the_balancer_makes_of_the_losses():
    one = group(schedule(monitor="balanced"))
    row = train([one], 1, progress=False).iloc[0]
    sigma, loss = row["sigma_level"], row["val_level_loss"]
    assert sigma != 1
    want = loss / sigma**2 + np.log1p(sigma)
    assert row["val_loss_level"] == pytest.approx(want, rel=1e-5)
    lane = one.lanes[0]
    plain = loop._monitored(Schedule(), lane, {"a": 1.0, "b": 2.0})
    assert plain == 3.0
