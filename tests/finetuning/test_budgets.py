"""Equal budgets: labels seen, steps per task, and the last batch."""

import keras
import numpy as np
import pytest
from interruptions import interrupted
from tensors import array

from umsrep import MultiTaskModel, data, finetuning
from umsrep.data.batches import ahead
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule, loop

STRATEGIES = {
    "joint": finetuning.Joint,
    "alternating": finetuning.Alternating,
    "independent": finetuning.Independent,
    "separate": finetuning.Separate,
}
EPOCHS, BATCH = 3, 8


@pytest.fixture(scope="module")
def rare(prepared_writer, tmp_path_factory):
    """Training and validation images, of which few have masks."""
    folder = tmp_path_factory.mktemp("rare") / "rare"
    dataset = data.load(prepared_writer(folder, count=48, mask_share=0.2))
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    assert train.labelled("blob").sum() < BATCH
    return train, validation


def heads():
    return {
        "blob": SegmentationHead("blob"),
        "level": ClassificationHead(2, "level", hidden_units=8, dropout=0.2),
    }


def network(strategy):
    def representation():
        return ConvAutoencoder((32, 32, 1), filters=(4, 8))

    if strategy == "separate":
        models = [MultiTaskModel(representation(), h) for h in heads().values()]
        return finetuning.SeparateModels(models)
    return MultiTaskModel(representation(), list(heads().values()))


def fit(strategy, sides, model=None, **options):
    trainer = STRATEGIES[strategy](schedule=Schedule(5e-3))
    options = {"epochs": EPOCHS, "batch_size": BATCH, **options}
    model = network(strategy) if model is None else model
    return trainer.fit(model, *sides, progress=False, **options)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_epochs_show_each_label_equally_often(strategy, rare):
    train, _ = rare
    history = fit(strategy, rare)
    labels = {t: int(train.labelled(t).sum()) for t in ("blob", "level")}
    assert history.labels == {t: EPOCHS * n for t, n in labels.items()}
    for task, count in labels.items():
        assert (history.table[f"labels_{task}"] == count).all()
        if strategy != "joint":
            steps = -(-count // BATCH)
            assert (history.table[f"steps_{task}"] == steps).all()


@pytest.mark.parametrize(
    ("strategy", "augmented"),
    [*((name, False) for name in STRATEGIES), ("independent", True)],
)
def test_steps_are_the_same_for_every_task(strategy, augmented, rare):
    augmentation = data.Augmentation.chest() if augmented else None
    history = fit(strategy, rare, steps=10, augmentation=augmentation)
    assert history.steps == {"blob": 10, "level": 10}
    # As equal parts as there can be.
    assert list(history.table["steps_blob"]) == [3, 3, 4]
    assert history.table["epoch"].tolist() == [1, 2, 3]
    assert np.isfinite(history.table["val_blob_loss"]).all()


def test_fewer_steps_than_epochs(rare):
    history = fit("joint", rare, steps=2, epochs=9)
    assert history.steps == {"blob": 2, "level": 2}
    assert len(history.table) == 2


def test_steps_are_the_schedule_s(rare, monkeypatch):
    seen = []
    rate = Schedule.rate

    def told(self, step, total):
        seen.append((step, total))
        return rate(self, step, total)

    monkeypatch.setattr(Schedule, "rate", told)
    history = fit("alternating", rare, steps=4)
    # Two tasks with four steps each share one schedule.
    assert {total for _, total in seen} == {8}
    assert max(step for step, _ in seen) == 7
    (group,) = history.groups
    assert group.step == 8
    # The last epoch has two steps of each, in turn.
    order = [lane.name for lane, _ in loop._turns(group.lanes)]
    assert order == ["blob", "level"] * 2


def test_a_ratio_and_steps_contradict_each_other(rare):
    strategy = finetuning.Alternating(ratio={"blob": 2})
    with pytest.raises(UmsrepError, match="Leave one of the two out"):
        strategy.fit(network("alternating"), *rare, steps=4, progress=False)


@pytest.mark.parametrize("steps", [0, 2.5])
def test_bad_steps(rare, steps):
    with pytest.raises(UmsrepError, match="whole number of at least 1"):
        fit("joint", rare, steps=steps)


def test_versions_that_come_again_are_shared_with_steps(rare):
    """A cached encoder gives what the encoder itself gives."""
    results = []
    for cached in (True, False):
        keras.utils.set_random_seed(3)
        model = network("independent")
        history = finetuning.Independent(
            "sgd", Schedule(1e-2), cache_features=cached
        ).fit(
            model,
            *rare,
            epochs=2,
            batch_size=BATCH,
            steps=6,
            augmentation=data.Augmentation.chest(),
            draws=2,
            progress=False,
        )
        assert ("seconds_features" in history.table) == cached
        results.append([array(w) for w in model.weights])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("strategy", ["joint", "independent"])
def test_interrupted_steps_go_on_exactly(strategy, rare, tmp_path, monkeypatch):
    def train(folder):
        keras.utils.set_random_seed(3)
        model = network(strategy)
        history = fit(
            strategy, rare, model, epochs=4, steps=10, checkpoint=folder
        )
        return history, [array(w) for w in model.weights]

    straight, expected = train(tmp_path / "straight")
    # In the third epoch, in the middle of a pass over the images.
    with interrupted(monkeypatch, 2 * len(straight.groups)):
        train(tmp_path / "broken")
    resumed, got = train(tmp_path / "broken")
    assert resumed.steps == straight.steps == {"blob": 10, "level": 10}
    assert resumed.labels == straight.labels
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def plain():
    """A model without batch norms or dropout."""
    keras.utils.set_random_seed(1)
    image = keras.Input((32, 32, 1))
    return keras.layers.Conv2D(3, 3, strides=4)(image / 255.0), image


def test_fill_changes_neither_loss_nor_step(rare):
    """The last batch is worth its own images' mean, without batch norms."""
    from umsrep.representations import Representation

    train, _ = rare
    batches = train.batches(BATCH, tasks=("level",), shuffle=True)
    x, y, w = batches[len(batches) - 1]
    # What lacks its label has weight 0 as well; only fill lies at the end.
    real = len(train) - BATCH * (len(batches) - 1)
    assert 0 < real < BATCH
    assert len(x) == BATCH
    assert not w["level"][real:].any()
    known = w["level"] > 0
    results = []
    for chosen in (slice(None), known):
        features, image = plain()
        model = MultiTaskModel(
            Representation(inputs=image, outputs={"bottleneck": features}),
            ClassificationHead(
                2, "level", convolutions=(), hidden_units=0, dropout=0.0
            ),
        )
        model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
        logs = model.train_on_batch(
            x[chosen],
            {"level": y["level"][chosen]},
            {"level": w["level"][chosen]},
            return_dict=True,
        )
        results.append([logs["loss"], *(array(v) for v in model.weights)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="others do not retrace"
)
def test_one_trace_serves_all_batches(rare, monkeypatch):
    """The code of a step runs while it is traced, and sees one batch size."""
    traced = []
    compute = MultiTaskModel.compute_loss

    def noted(self, x, y, y_pred, sample_weight=None, training=True):
        if training:
            traced.append((self.tasks[0], x.shape[0]))
        return compute(self, x, y, y_pred, sample_weight, training)

    monkeypatch.setattr(MultiTaskModel, "compute_loss", noted)
    history = fit("separate", rare, epochs=3)
    for group in history.groups:
        (lane,) = group.lanes
        assert len({len(x) for x, _, _ in ahead(lane.training)}) == 1
    # Five masks are less than a batch; None would stand for several sizes.
    assert set(traced) == {("blob", 5), ("level", BATCH)}
    # TensorFlow traces the first call twice, and no batch after it.
    assert len(traced) <= 4
