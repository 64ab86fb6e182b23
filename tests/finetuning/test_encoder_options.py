"""Options of the encoder: its rate, its batch norms, its release."""

import keras
import numpy as np
import pytest
from interruptions import interrupted
from tensors import array

from umsrep import MultiTaskModel, data, finetuning
from umsrep.errors import UmsrepError
from umsrep.finetuning import freezing
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder, UNet
from umsrep.stages import FinetuneSettings, network
from umsrep.training import RatePerPart, Schedule, loop

SCHEDULE = Schedule(5e-3, decay="constant")
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(1e-2),
    "momentum": lambda: keras.optimizers.SGD(1e-2, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "adamw": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-2),
}


def build(tasks=("blob", "level"), representation=None):
    heads = {
        "blob": SegmentationHead("blob"),
        "level": ClassificationHead(2, "level", hidden_units=8, dropout=0.0),
    }
    return MultiTaskModel(
        representation or ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [heads[task] for task in tasks],
    )


def separate():
    return finetuning.SeparateModels([build(["blob"]), build(["level"])])


def sides(dataset):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return train, validation


def fit(strategy, model, dataset, **options):
    options = {"epochs": 3, "batch_size": 8, "progress": False, **options}
    return strategy.fit(model, *sides(dataset), **options)


def values(layers):
    # On PyTorch an array shares its variable's memory.
    return [array(v).copy() for layer in layers for v in layer.variables]


def encoders(model):
    """The encoders' values, of one model or of separate ones."""
    models = getattr(model, "models", [model])
    return [
        value
        for each in models
        for value in values(each.representation.part("encoder"))
    ]


def two_variables(seed=0):
    rng = np.random.default_rng(seed)
    return [
        keras.Variable(rng.normal(size=(4, 3)).astype("float32"), name=name)
        for name in ("encoder_kernel", "head_kernel")
    ]


def stepped(optimizer, variables, steps=5):
    """The change of each variable in a step, for steps of known gradients."""
    rng = np.random.default_rng(1)
    changes = []
    for _ in range(steps):
        before = [array(v).copy() for v in variables]
        gradients = [
            keras.ops.convert_to_tensor(
                rng.normal(size=(4, 3)).astype("float32")
            )
            for _ in variables
        ]
        optimizer.apply(gradients, variables)
        changes.append(
            [array(v) - b for v, b in zip(variables, before, strict=True)]
        )
    return changes


class TestRatePerPart:
    @pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "adamw"])
    def test_a_step_of_the_part_is_the_factor_of_what_it_would_be(self, name):
        make = OPTIMIZERS[name]
        plain, scaled = two_variables(), two_variables()
        whole = stepped(make(), plain)
        optimizer = RatePerPart(make(), make(), [scaled[0].path], 0.25)
        parts = stepped(optimizer, scaled)
        for (part, rest), (full, other) in zip(parts, whole, strict=True):
            np.testing.assert_allclose(part, 0.25 * full, atol=3e-7)
            np.testing.assert_array_equal(rest, other)
            assert np.abs(full).max() > 1e-3

    def test_weight_decay_is_scaled_too(self):
        make = OPTIMIZERS["adamw"]
        plain, scaled = two_variables(), two_variables()
        full = stepped(make(), plain, steps=1)[0][0]
        optimizer = RatePerPart(make(), make(), [scaled[0].path], 0.25)
        part = stepped(optimizer, scaled, steps=1)[0][0]
        np.testing.assert_allclose(part, 0.25 * full, atol=3e-7)

    def test_it_follows_the_schedule(self):
        variables = two_variables()
        make = OPTIMIZERS["sgd"]
        optimizer = RatePerPart(make(), make(), [variables[0].path], 0.1)
        optimizer.learning_rate.assign(0.5)
        before = [array(v).copy() for v in variables]
        ones = [keras.ops.ones((4, 3)) for _ in variables]
        optimizer.apply(ones, variables)
        for variable, old, rate in zip(
            variables, before, (0.05, 0.5), strict=True
        ):
            np.testing.assert_allclose(array(variable), old - rate, atol=1e-6)

    def test_a_model_is_saved_and_loaded_with_it(self, tmp_path, dataset):
        model = build()
        fit(
            finetuning.Joint("adam", SCHEDULE, encoder_rate=0.1),
            model,
            dataset,
            epochs=1,
        )
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert isinstance(loaded.optimizer, RatePerPart)
        assert loaded.optimizer.factor == 0.1
        for old, new in zip(
            model.optimizer.variables, loaded.optimizer.variables, strict=True
        ):
            np.testing.assert_array_equal(array(old), array(new))


@pytest.mark.usefixtures("float32")
class TestEncoderRate:
    @pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
    def test_the_first_step_of_a_training(self, dataset, optimizer):
        train, validation = sides(dataset)
        moved = {}
        for rate in (1.0, 0.125):
            keras.utils.set_random_seed(0)
            model = build()
            before = {
                v.path: array(v).copy() for v in model.trainable_variables
            }
            finetuning.Joint(optimizer, SCHEDULE, encoder_rate=rate).fit(
                model, train, validation, epochs=1, steps=1, progress=False
            )
            moved[rate] = {
                v.path: array(v) - before[v.path]
                for v in model.trainable_variables
            }
        paths = set(freezing.encoder_paths(model.representation))
        assert paths & set(moved[1.0])
        for path, full in moved[1.0].items():
            factor = 0.125 if path in paths else 1.0
            np.testing.assert_allclose(
                moved[0.125][path], factor * full, rtol=1e-3, atol=1e-6
            )

    @pytest.mark.parametrize(
        ("strategy", "make"),
        [
            (finetuning.Joint, build),
            (finetuning.Alternating, build),
            (finetuning.Separate, separate),
        ],
    )
    def test_every_strategy_that_trains_it(self, dataset, strategy, make):
        model = make()
        history = fit(
            strategy(schedule=SCHEDULE, encoder_rate=0.1), model, dataset
        )
        for group in history.groups:
            for lane in group.lanes:
                assert lane.model.optimizer.factor == 0.1

    def test_1_is_the_plain_optimizer(self, dataset):
        model = build()
        fit(finetuning.Joint("adam", SCHEDULE), model, dataset, epochs=1)
        assert type(model.optimizer) is type(keras.optimizers.get("adam"))

    def test_one_task_without_labels_in_a_batch_leaves_its_head(self, dataset):
        model = build()
        fit(
            finetuning.Joint("adam", SCHEDULE, encoder_rate=0.1),
            model,
            dataset,
            epochs=1,
        )
        images, targets, weights = sides(dataset)[0].batches(8)[0]
        weights["level"] = np.zeros_like(weights["level"])
        before = values([model.head("level")])
        model.train_on_batch(images, targets, sample_weight=weights)
        for old, new in zip(before, values([model.head("level")]), strict=True):
            np.testing.assert_array_equal(old, new)

    @pytest.mark.parametrize("rate", [0, -0.1, 1.5])
    def test_bad(self, rate):
        with pytest.raises(UmsrepError, match="such as 0.1"):
            finetuning.Joint(encoder_rate=rate)

    def test_a_frozen_encoder_has_none(self):
        with pytest.raises(UmsrepError, match="Leave 'encoder' out of freeze"):
            finetuning.Joint(freeze="encoder", encoder_rate=0.1)

    @pytest.mark.parametrize(
        "options", [{"encoder_rate": 0.1}, {"release_after": 0.5}]
    )
    def test_independent_tasks_keep_theirs(self, options):
        with pytest.raises(UmsrepError, match="Use Joint, Alternating or"):
            finetuning.Independent(**options)
        with pytest.raises(UmsrepError, match="Use Joint, Alternating or"):
            FinetuneSettings(strategy="independent", **options)


class TestFrozenBatchNorms:
    @pytest.mark.parametrize(
        "representation", [None, UNet((32, 32, 1), width=4, depth=3)]
    )
    def test_they_stay_while_their_neighbours_train(
        self, dataset, representation
    ):
        model = build(representation=representation)
        norms = freezing.batch_norms_of(model.representation)
        # Statistics as of another set of images, not those of a new layer.
        for norm in norms:
            norm.moving_mean.assign(norm.moving_mean - 0.5)
        before = values(norms)
        kernels = [
            v
            for layer in model.representation.part("encoder")
            for v in layer.trainable_variables
            if v.path.endswith("kernel")
        ]
        old = [array(kernel).copy() for kernel in kernels]
        others = [
            layer
            for head in model.heads
            for layer in freezing.inside(head)
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        moving = [array(norm.moving_mean).copy() for norm in others]
        fit(
            finetuning.Joint(schedule=SCHEDULE, freeze_batch_norms=True),
            model,
            dataset,
        )
        assert len(norms) > 1
        for a, b in zip(before, values(norms), strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(old, kernels, strict=True):
            assert np.abs(a - array(b)).max() > 0
        for a, norm in zip(moving, others, strict=True):
            assert np.abs(a - array(norm.moving_mean)).max() > 0
        assert all(norm.trainable for norm in norms)

    def test_training_sees_the_moving_statistics(self, dataset):
        model = build(["blob"])
        images, _, _ = sides(dataset)[0].batches(8)[0]
        names = ("bottleneck",)
        still = array(model.features(images, names)["bottleneck"])
        with freezing.Frozen(model, batch_norms=True) as frozen:
            frozen.choose(())
            trained = array(
                model.feature_model(names)(images, training=True)["bottleneck"]
            )
        moved = array(
            model.feature_model(names)(images, training=True)["bottleneck"]
        )
        np.testing.assert_allclose(trained, still, rtol=1e-4, atol=1e-5)
        assert np.abs(moved - still).max() > 0.01

    def test_what_was_frozen_before_stays_frozen(self):
        model = build()
        inner = freezing.batch_norms_of(model.representation)[0]
        inner.trainable = False
        with freezing.Frozen(model, batch_norms=True) as frozen:
            frozen.choose(("encoder", "decoder"))
            frozen.choose(("decoder",))
            outer = model.representation.part("encoder")
            assert any(layer.trainable_variables for layer in outer)
        assert not inner.trainable
        assert all(layer.trainable for layer in outer)


class Watch:
    """The encoder's values after each epoch of a training."""

    def __init__(self, model, monkeypatch):
        self.seen = [encoders(model)]
        run = loop._run_epoch

        def watched(*arguments):
            row = run(*arguments)
            self.seen.append(encoders(model))
            return row

        monkeypatch.setattr(loop, "_run_epoch", watched)

    @property
    def moved(self):
        """Whether the encoder moved, per epoch."""
        return [
            any(not np.array_equal(a, b) for a, b in zip(old, new, strict=True))
            for old, new in zip(self.seen[:-1], self.seen[1:], strict=True)
        ]


@pytest.mark.usefixtures("float32")
class TestRelease:
    @pytest.mark.parametrize("budget", [{}, {"steps": 12}])
    @pytest.mark.parametrize(
        "strategy", [finetuning.Joint, finetuning.Alternating]
    )
    def test_frozen_first_then_released(
        self, dataset, strategy, budget, monkeypatch
    ):
        model = build()
        watch = Watch(model, monkeypatch)
        history = fit(
            strategy(schedule=SCHEDULE, release_after=0.5),
            model,
            dataset,
            epochs=4,
            **budget,
        )
        assert watch.moved == [False, False, True, True]
        assert history.trainable_parameters["encoder"] > 0
        assert list(history.table["epoch"]) == [1, 2, 3, 4]
        # The features of the first phase are computed once, those of the
        # second are trained.
        lane = history.groups[0].lanes[0]
        assert lane.model is lane.whole
        assert lane.training.features is None
        assert all(
            layer.trainable for layer in model.representation.part("encoder")
        )

    def test_separate(self, dataset, monkeypatch):
        model = separate()
        watch = Watch(model, monkeypatch)
        fit(
            finetuning.Separate(schedule=SCHEDULE, release_after=0.5),
            model,
            dataset,
            epochs=2,
        )
        # Two groups an epoch.
        assert watch.moved == [False, False, True, True]

    def test_as_two_trainings_by_hand(self, dataset):
        """Its first phase is a frozen training of as many epochs."""
        losses = []
        for options, epochs in (
            ({"release_after": 0.5}, 4),
            ({"freeze": "encoder"}, 2),
        ):
            keras.utils.set_random_seed(0)
            model = build()
            table = fit(
                finetuning.Joint(schedule=SCHEDULE, **options),
                model,
                dataset,
                epochs=epochs,
                augmentation=data.Augmentation.chest(),
            ).table
            losses.append(table["val_loss_joint"][:2])
        np.testing.assert_allclose(*losses, rtol=1e-5)

    def test_heads_keep_their_slots_and_the_encoder_has_new_ones(self, dataset):
        model = build()
        fit(
            finetuning.Joint("adam", SCHEDULE, release_after=0.5),
            model,
            dataset,
            steps=8,
            epochs=4,
        )
        rest, part = model.optimizer.optimizers
        assert int(array(rest.iterations)) == 8
        assert int(array(part.iterations)) == 4
        encoder = set(freezing.encoder_paths(model.representation))
        assert {v.path for v in part._trainable_variables} <= encoder
        assert not {v.path for v in rest._trainable_variables} & encoder

    def test_other_frozen_parts_stay(self, dataset):
        model = build()
        decoder = values(model.representation.part("decoder"))
        encoder = encoders(model)
        fit(
            finetuning.Joint(
                schedule=SCHEDULE, freeze="decoder", release_after=0.4
            ),
            model,
            dataset,
        )
        for old, new in zip(
            decoder, values(model.representation.part("decoder")), strict=True
        ):
            np.testing.assert_array_equal(old, new)
        assert any(
            np.abs(a - b).max() > 0
            for a, b in zip(encoder, encoders(model), strict=True)
        )

    def test_one_epoch_cannot_be_divided(self, dataset):
        with pytest.raises(UmsrepError, match="Give more epochs"):
            fit(finetuning.Joint(release_after=0.5), build(), dataset, epochs=1)

    @pytest.mark.parametrize("share", [0, 1, -1])
    def test_bad(self, share):
        with pytest.raises(UmsrepError, match="such as 0.3"):
            finetuning.Joint(release_after=share)

    def test_a_training_that_stopped_waits_for_it(self, dataset, monkeypatch):
        monkeypatch.setattr(loop, "_validated", lambda group, row: 1.0)
        schedule = Schedule(1e-3, decay="constant", stop_patience=1)
        table = fit(
            finetuning.Joint("sgd", schedule, release_after=0.6),
            build(),
            dataset,
            epochs=5,
        ).table
        # It stops after the second, and again after the first released.
        assert list(table["epoch"]) == [1, 2, 4]

    @pytest.mark.parametrize("stop", [1, 2, 3])
    @pytest.mark.parametrize("decay", ["constant", "return_to_best"])
    def test_interrupted_anywhere_equals_straight(
        self, dataset, tmp_path, monkeypatch, stop, decay
    ):
        schedule = SCHEDULE
        if decay == "return_to_best":
            schedule = Schedule.of_mt_unet(1e-2, patience=1)
        options = {
            "schedule": schedule,
            "release_after": 0.5,
            "encoder_rate": 0.5,
            "freeze_batch_norms": True,
        }

        def train(model, folder):
            table = fit(
                finetuning.Joint(**options),
                model,
                dataset,
                epochs=4,
                checkpoint=folder,
            ).table
            return table, [array(v) for v in model.variables]

        keras.utils.set_random_seed(3)
        straight, expected = train(build(), tmp_path / "straight")
        keras.utils.set_random_seed(3)
        with interrupted(monkeypatch, stop):
            train(build(), tmp_path / "broken")
        keras.utils.set_random_seed(99)
        resumed, got = train(build(), tmp_path / "broken")
        losses = [c for c in straight.columns if c.endswith("_loss")]
        np.testing.assert_allclose(resumed[losses], straight[losses], rtol=1e-4)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_settings_give_them():
    settings = FinetuneSettings(
        strategy="joint",
        encoder_rate=0.1,
        freeze_batch_norms=True,
        release_after=0.25,
    )
    made = network.strategy(settings)
    assert (made.encoder_rate, made.release_after) == (0.1, 0.25)
    assert made.freeze_batch_norms
