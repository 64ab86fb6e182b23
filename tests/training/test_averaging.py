"""The moving average of weights."""

import keras
import numpy as np
import pytest
from interruptions import interrupted
from tensors import array

from umsrep import MultiTaskModel, finetuning
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule, loop
from umsrep.training.averaging import WeightAverage

SCHEDULE = Schedule(1e-2, decay="constant")
DECAY = 0.8


def build():
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            ClassificationHead(2, "level", hidden_units=8, dropout=0.2),
        ],
    )


def fit(strategy, model, dataset, **options):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    options = {"epochs": 3, "batch_size": 8, "progress": False, **options}
    return strategy.fit(model, train, validation, **options)


def by_hand(history, decay):
    """The recursion, over values per step."""
    average = history[0].astype(np.float64)
    for step, value in enumerate(history[1:]):
        share = min(decay, (1 + step) / (10 + step))
        average = share * average + (1 - share) * value
    return average


def test_it_is_the_recursion():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3)).astype(np.float32)
    variable = keras.Variable(values[0])
    still = keras.Variable(np.float32([0.1, 0.7, 1 / 3]))
    whole = keras.Variable([1, 2], dtype="int32")
    average = WeightAverage([variable, still, whole], 0.7)
    for value in values[1:]:
        variable.assign(value)
        average.update()
    moved, kept = average.arrays()
    np.testing.assert_allclose(moved, by_hand(values, 0.7), atol=1e-6)
    np.testing.assert_array_equal(kept, array(still))
    with average.in_place():
        np.testing.assert_array_equal(array(variable), moved)
    np.testing.assert_array_equal(array(variable), values[-1])


@pytest.mark.parametrize("decay", [-0.1, 1, 1.5])
def test_bad_decay(decay):
    with pytest.raises(UmsrepError, match="such as 0.99"):
        finetuning.Joint(weight_average=decay)


@pytest.mark.usefixtures("float32")
class TestTraining:
    @pytest.mark.parametrize(
        "strategy", [finetuning.Joint, finetuning.Alternating]
    )
    def test_the_model_in_the_end_is_the_average(
        self, dataset, strategy, monkeypatch
    ):
        model = build()
        norms = [v for v in model.variables if "moving" in v.path]
        watched = [*model.trainable_variables, *norms]
        history = [[array(v).copy() for v in watched]]
        step = MultiTaskModel.train_on_batch

        def noted(self, *arguments, **options):
            logs = step(self, *arguments, **options)
            history.append([array(v).copy() for v in watched])
            return logs

        monkeypatch.setattr(MultiTaskModel, "train_on_batch", noted)
        found = fit(
            strategy(schedule=SCHEDULE, weight_average=DECAY),
            model,
            dataset,
            epochs=1,
        )
        assert norms
        for number, variable in enumerate(watched):
            values = np.stack([values[number] for values in history])
            np.testing.assert_allclose(
                array(variable), by_hand(values, DECAY), atol=1e-5
            )
        # What was validated is the average, too.
        losses = loop._validate(found.groups[0].lanes[0])
        for task, loss in losses.items():
            np.testing.assert_allclose(
                loss, found.table[f"val_{task}_loss"][0], rtol=1e-4
            )

    def test_training_goes_on_from_the_weights_themselves(self, dataset):
        losses = []
        for decay in (None, DECAY):
            keras.utils.set_random_seed(0)
            strategy = finetuning.Joint(schedule=SCHEDULE, weight_average=decay)
            losses.append(fit(strategy, build(), dataset).table["blob_loss"])
        np.testing.assert_allclose(*losses, rtol=1e-4)

    def test_a_frozen_encoder_stays_to_the_bit(self, dataset):
        model = build()
        layers = model.representation.part("encoder")
        before = [array(v).copy() for la in layers for v in la.variables]
        fit(
            finetuning.Independent(schedule=SCHEDULE, weight_average=DECAY),
            model,
            dataset,
        )
        after = [array(v) for la in layers for v in la.variables]
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("decay", ["constant", "return_to_best"])
    def test_interrupted_equals_straight(
        self, dataset, tmp_path, monkeypatch, decay
    ):
        schedule = SCHEDULE
        if decay == "return_to_best":
            schedule = Schedule.of_mt_unet(3e-2, patience=1)

        def train(folder):
            model = build()
            strategy = finetuning.Joint(
                schedule=schedule, weight_average=DECAY, release_after=0.4
            )
            table = fit(
                strategy, model, dataset, epochs=4, checkpoint=folder
            ).table
            return table, [array(v) for v in model.variables]

        keras.utils.set_random_seed(3)
        straight, expected = train(tmp_path / "straight")
        keras.utils.set_random_seed(3)
        with interrupted(monkeypatch, 3):
            train(tmp_path / "broken")
        keras.utils.set_random_seed(99)
        resumed, got = train(tmp_path / "broken")
        losses = [c for c in straight.columns if c.endswith("_loss")]
        np.testing.assert_allclose(resumed[losses], straight[losses], rtol=1e-4)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)

    def test_a_state_without_averages_is_refused(self, dataset, tmp_path):
        options = {"epochs": 1, "checkpoint": tmp_path}
        fit(finetuning.Joint(schedule=SCHEDULE), build(), dataset, **options)
        averaged = finetuning.Joint(schedule=SCHEDULE, weight_average=DECAY)
        with pytest.raises(UmsrepError, match="another weight_average"):
            fit(averaged, build(), dataset, **{**options, "epochs": 2})
