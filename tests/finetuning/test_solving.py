"""Heads that a strategy solves on the frozen encoder instead of training."""

import keras
import numpy as np
import pytest
from interruptions import interrupted

from umsrep import MultiTaskModel, finetuning
from umsrep.data.owners import owners
from umsrep.heads import LinearHead, SegmentationHead, logistic
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule

SCHEDULE = Schedule(5e-3)
FEATURES = ("bottleneck", "stage1")


def build():
    keras.utils.set_random_seed(0)
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob", features="bottleneck"),
            LinearHead(2, "level", features=FEATURES),
        ],
    )


def separate():
    keras.utils.set_random_seed(0)
    return finetuning.SeparateModels(
        [
            MultiTaskModel(
                ConvAutoencoder((32, 32, 1), filters=(4, 8)),
                LinearHead(2, "level", features=FEATURES),
            )
        ]
    )


def sides(dataset):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return train, validation


def fit(strategy, model, dataset, **options):
    options = {"epochs": 4, "batch_size": 8, "progress": False, **options}
    return strategy.fit(model, *sides(dataset), **options)


def expected(model, dataset, **options):
    """The solution on the training images, apart from the strategy."""
    train, _ = sides(dataset)
    head = model.head("level")
    images = np.stack([train.image(i) for i in range(len(train))])
    images = images.reshape(len(train), 32, 32, 1).astype("float32")
    seen = model.features(images, FEATURES)
    columns = head.columns([seen[name] for name in FEATURES])
    labels = train.labels("level")
    here = labels >= 0
    columns = keras.ops.convert_to_numpy(columns)[here]
    return logistic.fit(
        columns, labels[here], owners(train)[here], 2, **options
    )


def kernel(model):
    return keras.ops.convert_to_numpy(model.head("level").classes.kernel)


def test_independent_training_makes_no_step_with_it(dataset):
    model = build()
    history = fit(finetuning.Independent(schedule=SCHEDULE), model, dataset)
    assert history.steps["level"] == 0
    assert history.steps["blob"] > 0
    train, _ = sides(dataset)
    assert history.labels["level"] == train.labelled("level").sum()
    assert history.trainable_parameters["level"] == 2 * (2 * 12 + 1)
    fitted = expected(model, dataset)
    np.testing.assert_allclose(kernel(model), fitted.kernel, atol=1e-3)
    assert history.table["level_loss"][0] == pytest.approx(
        fitted.loss, rel=0.02
    )
    assert history.table["val_level_loss"].notna().sum() == 1


def test_augmentation_and_a_budget_in_steps_change_nothing(dataset):
    from umsrep.data import Augmentation

    plain, other = build(), build()
    fit(finetuning.Independent(schedule=SCHEDULE), plain, dataset)
    history = fit(
        finetuning.Independent(schedule=SCHEDULE),
        other,
        dataset,
        steps=6,
        augmentation=Augmentation(),
    )
    assert history.steps == {"blob": 6, "level": 0}
    np.testing.assert_array_equal(kernel(plain), kernel(other))


def test_a_balance_weighs_the_classes(dataset):
    model = build()
    strategy = finetuning.Independent(
        schedule=SCHEDULE, class_balance="sampling"
    )
    fit(strategy, model, dataset)
    train, _ = sides(dataset)
    labels = train.labels("level")
    counts = np.bincount(labels[labels >= 0])
    weights = counts.sum() / (2 * counts)
    fitted = expected(model, dataset, weights=weights)
    np.testing.assert_allclose(kernel(model), fitted.kernel, atol=1e-3)


@pytest.mark.parametrize("strategy", [finetuning.Joint, finetuning.Alternating])
def test_it_stays_as_long_as_the_encoder_is_frozen(dataset, strategy):
    model = build()
    history = fit(strategy(schedule=SCHEDULE, freeze="encoder"), model, dataset)
    fitted = expected(model, dataset)
    np.testing.assert_allclose(kernel(model), fitted.kernel, atol=1e-3)
    assert history.steps["blob"] > 0 == history.steps["level"]
    train, _ = sides(dataset)
    assert history.labels["level"] == train.labelled("level").sum()
    assert history.table["val_blob_loss"].notna().all()
    assert history.table["level_loss"].nunique() == 1


def test_what_reads_a_decoder_that_trains_is_trained(dataset):
    keras.utils.set_random_seed(0)
    model = MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            LinearHead(2, "level", features=("bottleneck", "decoded")),
        ],
    )
    strategy = finetuning.Joint(schedule=SCHEDULE, freeze="encoder")
    history = fit(strategy, model, dataset)
    assert history.steps["level"] > 0
    assert history.table["level_loss"].nunique() > 1


@pytest.mark.parametrize("strategy", [finetuning.Joint, finetuning.Alternating])
def test_a_released_encoder_takes_it_along(dataset, strategy):
    model = build()
    whole = Schedule(5e-3, monitor="losses")
    history = fit(
        strategy(schedule=whole, release_after=0.5, encoder_rate=0.1),
        model,
        dataset,
        epochs=4,
    )
    assert history.steps["level"] > 0
    assert history.table["val_level_loss"].notna().all()
    before = history.table["val_level_loss"]
    assert before[0] == before[1] != before[2]


def test_a_separate_model_is_solved_then_trained(dataset):
    model = separate()
    history = fit(
        finetuning.Separate(
            schedule=SCHEDULE, release_after=0.5, encoder_rate=0.1
        ),
        model,
        dataset,
        epochs=4,
        steps=40,
    )
    assert history.steps == {"level": 20}
    rates = history.table["learning_rate_level"]
    # The schedule is that of the whole training.
    assert rates.iloc[-1] < SCHEDULE.learning_rate / 2


def test_a_new_encoder_begins_at_the_solution(dataset):
    model = build()
    history = fit(
        finetuning.Joint(schedule=Schedule(1e-9), freeze=()),
        model,
        dataset,
        epochs=1,
    )
    assert history.steps["level"] > 0
    # The encoder's batch norms have moved since.
    fitted = expected(build(), dataset)
    np.testing.assert_allclose(kernel(model), fitted.kernel, atol=1e-3)


def test_interrupted_training_ends_as_the_straight_one(
    dataset, tmp_path, monkeypatch
):
    def strategy():
        return finetuning.Joint(
            schedule=SCHEDULE, release_after=0.5, encoder_rate=0.1
        )

    straight = build()
    fit(strategy(), straight, dataset)
    with interrupted(monkeypatch, 3):
        fit(strategy(), build(), dataset, checkpoint=tmp_path)
    resumed = build()
    fit(strategy(), resumed, dataset, checkpoint=tmp_path)
    np.testing.assert_allclose(kernel(straight), kernel(resumed), atol=1e-6)
