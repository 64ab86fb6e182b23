"""Joint training with every registered weighting."""

import keras
import numpy as np
import pytest
from interruptions import interrupted
from tensors import array

from umsrep import MultiTaskModel, balancing, finetuning
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule

BALANCERS = balancing.registry.items()
# Short enough for the few steps of a test.
ARGUMENTS = {"dwa": {"window": 2}}


def build(name, cls):
    keras.utils.set_random_seed(0)
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            ClassificationHead(2, "level", hidden_units=8, dropout=0.2),
        ],
        cls(**ARGUMENTS.get(name, {})),
    )


def fit(model, dataset, **options):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return finetuning.Joint(
        "sgd", Schedule(1e-2, decay="constant", monitor="balanced")
    ).fit(
        model,
        train,
        validation,
        epochs=3,
        batch_size=4,
        progress=False,
        **options,
    )


def values(layer):
    return [array(variable).copy() for variable in layer.variables]


@pytest.mark.parametrize(("name", "cls"), BALANCERS)
def test_training_saves_resumes_and_learns(
    name, cls, dataset, tmp_path, monkeypatch
):
    straight = build(name, cls)
    before = values(straight.balancer)
    table = fit(straight, dataset).table
    losses = table.filter(like="_loss")
    assert np.isfinite(losses.to_numpy(float)).all()
    if before:
        moved = [
            np.any(old != new)
            for old, new in zip(before, values(straight.balancer), strict=True)
        ]
        assert any(moved)
    with interrupted(monkeypatch, 2):
        fit(build(name, cls), dataset, checkpoint=tmp_path)
    resumed = build(name, cls)
    again = fit(resumed, dataset, checkpoint=tmp_path).table
    np.testing.assert_allclose(
        again[losses.columns].astype(float), losses.astype(float), rtol=1e-4
    )
    for one, other in zip(
        values(straight.balancer), values(resumed.balancer), strict=True
    ):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5)
    straight.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.balancer) is cls
    assert loaded.balancer.get_config() == straight.balancer.get_config()
    for one, other in zip(
        values(straight.balancer), values(loaded.balancer), strict=True
    ):
        np.testing.assert_array_equal(other, one)
    images = dataset.images[:4]
    for task, want in straight.predict(images, verbose=0).items():
        np.testing.assert_allclose(
            loaded.predict(images, verbose=0)[task], want, atol=1e-6
        )


@pytest.mark.parametrize(("name", "cls"), BALANCERS)
def test_validation_moves_nothing(name, cls, dataset):
    model = build(name, cls)
    model.compile("sgd", jit_compile=model.jit())
    batch = dataset.batches(8, tasks=model.tasks)[0]
    before = values(model.balancer)
    model.test_on_batch(*batch[:2], sample_weight=batch[2])
    for old, new in zip(before, values(model.balancer), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(("name", "cls"), BALANCERS)
def test_of_one_task_nothing_is_to_be_balanced(name, cls, dataset):
    view = build(name, cls).view("level", balancer=cls())
    assert view.balancer.tasks == ("level",)
    view.compile("sgd", jit_compile=view.jit())
    images, targets, weights = dataset.batches(8, tasks=("level",))[0]
    for _ in range(3):
        logs = view.train_on_batch(
            images, targets, sample_weight=weights, return_dict=True
        )
    if name != "uncertainty":
        assert logs["loss"] == pytest.approx(logs["level_loss"], rel=1e-5)


@pytest.mark.parametrize(("name", "cls"), BALANCERS)
def test_half_precision(name, cls, dataset):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = build(name, cls)
    table = fit(model, dataset).table
    losses = table.filter(like="_loss").to_numpy(float)
    assert np.isfinite(losses).all()
    assert {v.dtype for v in model.balancer.variables} <= {"float32"}
