import keras
import numpy as np
import pytest
from interruptions import interrupted

from umsrep import MultiTaskModel, backend, finetuning
from umsrep.balancing import UncertaintyWeighting
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.heads import (
    AttentionHead,
    CAMHead,
    ClassificationHead,
    SegmentationHead,
)
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule, loop

SCHEDULE = Schedule(5e-3)


def build(balancer=None):
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            ClassificationHead(2, "level", hidden_units=8, dropout=0.2),
        ],
        balancer,
    )


def sides(dataset):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return train, validation


def weights(layers):
    return [w.copy() for layer in layers for w in layer.get_weights()]


def fit(strategy, model, dataset, **options):
    options = {"epochs": 2, "batch_size": 8, "progress": False, **options}
    return strategy.fit(model, *sides(dataset), **options)


class TestIndependent:
    def test_encoder_stays_bit_identical_and_heads_learn(self, dataset):
        model = build()
        encoder = model.representation.part("encoder")
        before, head = weights(encoder), weights([model.head("level")])
        decoder = weights(model.representation.part("decoder"))
        history = fit(finetuning.Independent(schedule=SCHEDULE), model, dataset)
        for old, new in zip(before, weights(encoder), strict=True):
            np.testing.assert_array_equal(old, new)
        for old, parts in (
            (head, [model.head("level")]),
            (decoder, model.representation.part("decoder")),
        ):
            changed = [
                np.abs(a - b).max() > 0
                for a, b in zip(old, weights(parts), strict=True)
            ]
            assert any(changed)
        assert all(layer.trainable for layer in encoder)
        assert [group.name for group in history.groups] == ["blob", "level"]
        assert {"blob_loss", "val_level_loss"} <= set(history.table.columns)

    def test_tasks_do_not_touch_each_other(self, dataset):
        model = build()
        strategy = finetuning.Independent(schedule=SCHEDULE)
        blob = weights([model.head("blob")])
        strategy.fit(
            model.view("level"), *sides(dataset), epochs=1, progress=False
        )
        for old, new in zip(blob, weights([model.head("blob")]), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_needs_a_frozen_encoder(self, dataset):
        with pytest.raises(UmsrepError, match="Freeze 'encoder'"):
            fit(finetuning.Independent(freeze="decoder"), build(), dataset)

    def test_two_tasks_cannot_share_one_decoder(self, dataset):
        model = build().with_head(SegmentationHead("other"))
        with pytest.raises(UmsrepError, match="features='bottleneck'"):
            finetuning.Independent().groups(model, lambda *a: None)

    def test_a_task_that_reads_another_one_is_not_independent(self):
        model = MultiTaskModel(
            ConvAutoencoder((32, 32, 1), filters=(4, 8)),
            [CAMHead(2, "level"), AttentionHead("gaze", "level_cam")],
        )
        with pytest.raises(UmsrepError, match="Use Joint or Alternating"):
            finetuning.Independent().groups(model, lambda *a: None)
        alone = model.view("level")
        assert finetuning.Independent().groups(alone, lambda n, v: n) == [
            ["level"]
        ]


class TestAlternating:
    def test_turns_follow_the_numbers_of_labels(self, dataset):
        model = build()
        train, validation = sides(dataset)
        strategy = finetuning.Alternating(schedule=SCHEDULE)
        groups = strategy.fit(
            model, train, validation, epochs=1, batch_size=4, progress=False
        ).groups
        counts = {task: int(train.labelled(task).sum()) for task in model.tasks}
        least = min(counts.values())
        for lane in groups[0].lanes:
            assert lane.run_length == round(counts[lane.name] / least)

    def test_given_ratio_orders_the_batches(self, dataset):
        train, validation = sides(dataset)
        strategy = finetuning.Alternating(ratio={"blob": 2})
        groups = strategy.fit(
            build(), train, validation, epochs=1, batch_size=4, progress=False
        ).groups
        lanes = groups[0].lanes
        order = [lane.name for lane, _ in loop._turns(lanes)]
        assert order[:6] == ["blob", "blob", "level"] * 2
        for lane in lanes:
            assert order.count(lane.name) == len(lane.training)

    def test_every_task_moves_the_encoder(self, dataset):
        model = build()
        encoder = model.representation.part("encoder")
        before = weights(encoder)
        fit(finetuning.Alternating(schedule=SCHEDULE), model, dataset)
        assert any(
            np.abs(a - b).max() > 0
            for a, b in zip(before, weights(encoder), strict=True)
        )

    @pytest.mark.parametrize("ratio", [{"lung": 1}, {"blob": 0}])
    def test_bad_ratio(self, dataset, ratio):
        with pytest.raises(UmsrepError, match="whole numbers of at least 1"):
            fit(finetuning.Alternating(ratio=ratio), build(), dataset)


class TestJoint:
    def test_learned_weights_are_logged_and_move(self, dataset):
        model = build(UncertaintyWeighting())
        history = fit(
            finetuning.Joint(schedule=SCHEDULE), model, dataset, epochs=3
        ).table
        sigma = history["sigma_level"].to_numpy()
        assert np.abs(np.diff(sigma)).min() > 0

    def test_learns_both_tasks_from_partial_labels(self, dataset):
        model = build()
        history = fit(
            finetuning.Joint(schedule=Schedule(1e-2)),
            model,
            dataset,
            epochs=16,
        ).table
        for task in model.tasks:
            losses = history[f"val_{task}_loss"]
            assert losses.min() < 0.75 * losses.iloc[0]


class TestSeparate:
    def test_models_share_nothing(self, dataset):
        models = [
            MultiTaskModel(ConvAutoencoder((32, 32, 1), filters=(4, 8)), head)
            for head in (
                SegmentationHead("blob"),
                ClassificationHead(2, "level"),
            )
        ]
        both = finetuning.SeparateModels(models)
        ids = [{id(w) for w in model.weights} for model in models]
        assert not ids[0] & ids[1]
        history = fit(finetuning.Separate(), both, dataset, epochs=1)
        assert len(history.groups) == 2
        assert len(history.table) == 1

    def test_wants_separate_models(self, dataset):
        with pytest.raises(UmsrepError, match="SeparateModels"):
            fit(finetuning.Separate(), build(), dataset)


@pytest.mark.parametrize("strategy", [finetuning.Independent, finetuning.Joint])
def test_interrupted_and_resumed_equals_straight(
    strategy, dataset, tmp_path, monkeypatch
):
    import keras

    def trained(folder, stop_after=None):
        keras.utils.set_random_seed(3)
        model = build(UncertaintyWeighting())
        if stop_after is not None:
            with interrupted(monkeypatch, stop_after):
                fit(
                    strategy(schedule=SCHEDULE),
                    model,
                    dataset,
                    epochs=3,
                    checkpoint=folder,
                )
            # A new process starts from other weights.
            keras.utils.set_random_seed(99)
            model = build(UncertaintyWeighting())
        history = fit(
            strategy(schedule=SCHEDULE),
            model,
            dataset,
            epochs=3,
            checkpoint=folder,
        ).table
        return history, model.get_weights()

    straight, expected = trained(tmp_path / "straight")
    groups = 2 if strategy is finetuning.Independent else 1
    # Interrupted in the middle of the third epoch.
    resumed, got = trained(tmp_path / "broken", stop_after=2 * groups)
    losses = [c for c in straight.columns if c.endswith("_loss")]
    np.testing.assert_allclose(resumed[losses], straight[losses], rtol=1e-4)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_checkpoint_of_another_model_is_refused(dataset, tmp_path):
    strategy = finetuning.Joint(schedule=SCHEDULE)
    fit(strategy, build(), dataset, epochs=1, checkpoint=tmp_path)
    other = MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 6)),
        [SegmentationHead("blob"), ClassificationHead(2, "level")],
    )
    with pytest.raises(UmsrepError, match="use a new run folder"):
        fit(strategy, other, dataset, epochs=2, checkpoint=tmp_path)


def test_wrong_image_size(dataset):
    model = MultiTaskModel(
        ConvAutoencoder((64, 64, 1), filters=(4, 8)),
        [ClassificationHead(2, "level")],
    )
    with pytest.raises(UmsrepError, match="representation's size"):
        fit(finetuning.Joint(), model, dataset)


def test_damaged_checkpoint(dataset, tmp_path):
    strategy = finetuning.Joint(schedule=SCHEDULE)
    fit(strategy, build(), dataset, epochs=1, checkpoint=tmp_path)
    state = tmp_path / "state.npz"
    for damaged in (state.read_bytes()[:1000], b""):
        state.write_bytes(damaged)
        with pytest.raises(UmsrepError, match="Delete .* to start"):
            fit(strategy, build(), dataset, epochs=2, checkpoint=tmp_path)


@pytest.mark.parametrize("freeze", [("encoder",), ("encoder", "decoder")])
def test_frozen_parts_count_nothing(dataset, freeze):
    model = build()
    frozen = sum(
        count(layer)
        for part in freeze
        for layer in model.representation.part(part)
    )
    whole = count(model)
    strategy = finetuning.Independent(schedule=SCHEDULE, freeze=freeze)
    history = fit(strategy, model, dataset, epochs=1)
    assert history.trainable_parameters["total"] == whole - frozen
    assert history.trainable_parameters["encoder"] == 0
    assert count(model) == whole


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="XLA is a choice there"
)
@pytest.mark.parametrize("xla", [None, True, False])
def test_xla_is_a_choice(dataset, xla):
    model = build()
    history = fit(
        finetuning.Joint(schedule=SCHEDULE, xla=xla), model, dataset, epochs=1
    )
    assert model.jit_compile is (backend.xla_helps() if xla is None else xla)
    assert np.isfinite(history.table["val_blob_loss"]).all()
