import keras
import numpy as np
import pytest
from tensors import array, gradients

from umsrep import MultiTaskModel, backend, runs
from umsrep.balancing import UncertaintyWeighting
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import parameter_counts
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.losses import BCEDice
from umsrep.model import own_weights
from umsrep.representations import ConvAutoencoder


def build(balancer=None):
    return MultiTaskModel(
        ConvAutoencoder((16, 16, 1), filters=(4, 6)),
        [
            SegmentationHead("lung", loss=BCEDice(0.2, 0.8)),
            ClassificationHead(2, "finding", dropout=0.0),
        ],
        balancer,
    )


def batch(n=6):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (n, 16, 16, 1)).astype("float32")
    y = {
        "lung": (x > 120).astype("float32"),
        "finding": (np.arange(n) % 2).astype("int32"),
    }
    return x, y, {task: np.ones(n, "float32") for task in y}


class TestLoss:
    def test_missing_labels_are_never_averaged_in(self):
        model = build()
        x, y, weights = batch()
        predicted = model(x)
        weights["finding"][:4] = 0
        got = model.compute_loss(x, y, predicted, weights)
        head = model.head("finding")
        few = head.loss.call(y["finding"][4:], predicted["finding"][4:])
        lung = model.head("lung").loss.call(y["lung"], predicted["lung"])
        want = array(few).mean() + array(lung).mean()
        assert float(array(got)) == pytest.approx(want, rel=1e-5)

    def test_targets_under_weight_zero_do_not_matter(self):
        model = build()
        x, y, weights = batch()
        predicted = model(x)
        weights["lung"][:] = 0
        first = model.compute_loss(x, y, predicted, weights)
        y["lung"] = 1 - y["lung"]
        second = model.compute_loss(x, y, predicted, weights)
        assert float(array(first)) == float(array(second))

    def test_compile_can_replace_a_loss(self):
        model = build()
        x, y, weights = batch()
        model.compile("sgd", jit_compile=False)
        own = model.test_on_batch(x, y, sample_weight=weights)
        model.compile(
            "sgd",
            loss={"lung": BCEDice(1, 0), "finding": None},
            jit_compile=False,
        )
        given = model.test_on_batch(
            x, y, sample_weight=weights, return_dict=True
        )
        want = array(BCEDice(1, 0).call(y["lung"], model(x)["lung"])).mean()
        assert given["lung_loss"] == pytest.approx(want, rel=1e-4)
        assert own is not None

    def test_absent_target_names_the_remedy(self):
        model = build()
        x, y, weights = batch()
        with pytest.raises(UmsrepError, match="Train a view"):
            model.compute_loss(x, {"lung": y["lung"]}, model(x), weights)


class TestViews:
    def test_share_weights_and_cut_the_decoder(self):
        model = build()
        view = model.view("finding")
        assert view.tasks == ("finding",)
        decoder = {
            id(w)
            for layer in model.representation.part("decoder")
            for w in layer.weights
        }
        ids = {id(w) for w in view.weights}
        assert not ids & decoder
        assert ids <= {id(w) for w in model.weights}

    def test_parameters_add_up(self):
        counts = parameter_counts(build())
        assert counts["total"] == sum(
            counts[k] for k in ("encoder", "lung", "finding")
        )

    def test_with_head_adds_a_task(self):
        model = build().with_head(ClassificationHead(3, "view"))
        assert set(model(batch()[0])) == {"lung", "finding", "view"}

    def test_unknown_task_lists_what_exists(self):
        with pytest.raises(UmsrepError, match="lung, finding"):
            build().view("heart")

    def test_two_heads_of_one_name(self):
        heads = [ClassificationHead(2, "a"), ClassificationHead(2, "a")]
        with pytest.raises(UmsrepError, match="its own name"):
            MultiTaskModel(ConvAutoencoder((32, 32, 1)), heads)


class TestSaving:
    def test_round_trip_keeps_names_values_and_training(self, tmp_path):
        model = build(UncertaintyWeighting(initial={"lung": 0.7}))
        model.compile("adam", jit_compile=False)
        x, y, weights = batch()
        model.fit(x, y, sample_weight=weights, epochs=1, verbose=0)
        model.save(tmp_path / "m.keras")
        copy = runs.load_model(tmp_path / "m.keras")
        assert copy.tasks == model.tasks
        for task, value in model.predict(x, verbose=0).items():
            np.testing.assert_allclose(
                copy.predict(x, verbose=0)[task], value, atol=1e-6
            )
        assert copy.balancer.sigmas() == pytest.approx(model.balancer.sigmas())
        assert copy.head("lung").loss.bce_weight == 0.2
        after = copy.train_on_batch(
            x, y, sample_weight=weights, return_dict=True
        )
        assert np.isfinite(after["loss"])

    def test_nothing_in_a_model_file_is_executed(self, tmp_path):
        inputs = keras.Input((2,))
        outputs = keras.layers.Lambda(lambda x: x + 1)(inputs)
        keras.Model(inputs, outputs).save(tmp_path / "evil.keras")
        with pytest.raises(UmsrepError, match="cannot be loaded"):
            runs.load_model(tmp_path / "evil.keras")

    def test_damaged_file(self, tmp_path):
        (tmp_path / "m.keras").write_bytes(b"PK\x03\x04nonsense")
        with pytest.raises(UmsrepError, match="train again"):
            runs.load_model(tmp_path / "m.keras")


def test_every_task_reaches_the_encoder():
    model = build()
    x, y, weights = batch()
    for task in model.tasks:
        only = {t: w * (t == task) for t, w in weights.items()}
        kernel = model.representation.part("encoder")[0].weights[0]
        (gradient,) = gradients(
            lambda only=only: model.compute_loss(
                x, y, model(x, training=True), only
            ),
            [kernel],
        )
        assert np.abs(gradient).max() > 0


def test_xla_is_left_out_where_it_does_not_help():
    from umsrep import backend

    model = build()
    model.compile("adam")
    assert model.jit_compile == backend.xla_helps()


def test_sigma_of_an_absent_task_stays_even_with_momentum():
    model = build(UncertaintyWeighting())
    model.compile("adam", jit_compile=False)
    x, y, weights = batch()
    for _ in range(2):
        model.train_on_batch(x, y, sample_weight=weights)
    before = model.balancer.sigmas()
    assert before["finding"] != 1.0
    weights["finding"][:] = 0
    model.train_on_batch(x, y, sample_weight=weights)
    after = model.balancer.sigmas()
    assert after["finding"] == before["finding"]
    assert after["lung"] != before["lung"]


def own_state(model, task):
    """Weights of a task's layers, its sigma, and all slots of both."""
    own = own_weights(model, [task]) + model.balancer.weights_of([task])
    slots = backend.optimizer_slots(model.optimizer, own)
    return [array(variable) for variable in [*own, *slots]]


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(1e-2, weight_decay=0.1, amsgrad=True),
        lambda: keras.optimizers.SGD(1e-2, momentum=0.9, weight_decay=0.1),
        lambda: keras.optimizers.RMSprop(1e-2, momentum=0.9),
    ],
)
def test_what_belongs_to_an_absent_task_does_not_move(optimizer):
    model = build(UncertaintyWeighting())
    model.compile(optimizer(), jit_compile=False)
    x, y, weights = batch()
    weights["finding"][:] = 1
    for _ in range(2):
        model.train_on_batch(x, y, sample_weight=weights)
    absent, present = own_state(model, "finding"), own_state(model, "lung")
    encoder = array(model.representation.part("encoder")[-1].weights[0])
    weights["finding"][:] = 0
    model.train_on_batch(x, y, sample_weight=weights)
    for old, new in zip(absent, own_state(model, "finding"), strict=True):
        np.testing.assert_array_equal(old, new)
    # Slots, too: two or more for each trainable weight, or one with SGD.
    trainable = len(model.head("finding").trainable_variables) + 1
    assert len(absent) >= 2 * trainable
    moved = [
        np.abs(old - new).max() > 0
        for old, new in zip(present, own_state(model, "lung"), strict=True)
    ]
    assert np.mean(moved) > 0.9
    now = array(model.representation.part("encoder")[-1].weights[0])
    assert np.abs(encoder - now).max() > 0
    # And its next label finds it as it was.
    weights["finding"][:] = 1
    model.train_on_batch(x, y, sample_weight=weights)
    assert any(
        np.abs(old - new).max() > 0
        for old, new in zip(absent, own_state(model, "finding"), strict=True)
    )


def test_an_absent_task_may_be_the_first_batch():
    model = build()
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    before = [array(w) for w in model.head("finding").weights]
    x, y, weights = batch()
    weights["finding"][:] = 0
    model.train_on_batch(x, y, sample_weight=weights)
    for old, new in zip(before, model.head("finding").weights, strict=True):
        np.testing.assert_array_equal(old, array(new))


def test_nothing_moves_without_any_label():
    model = build()
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    x, y, weights = batch()
    model.train_on_batch(x, y, sample_weight=weights)
    before = [array(w) for w in model.weights]
    nothing = {task: 0 * values for task, values in weights.items()}
    model.train_on_batch(x, y, sample_weight=nothing)
    measured = {v.path for m in model.metrics for v in m.variables}
    for old, new in zip(before, model.weights, strict=True):
        if new.path not in measured:
            np.testing.assert_array_equal(old, array(new))


def test_only_the_toolkits_own_functions_trace_quietly(caplog):
    import logging

    from umsrep import backend

    logger = logging.getLogger("tensorflow")
    logger.propagate, before = True, logger.propagate
    words = "5 out of the last 11 calls triggered tf.function retracing"
    try:
        with caplog.at_level("WARNING", logger="tensorflow"):
            with backend.quiet_tracing():
                logger.warning(words)
                logger.warning("something else")
            logger.warning(words)
    finally:
        logger.propagate = before
    assert caplog.messages == ["something else", words]
