"""GG-CAM's heads: a CAM head, and attention on its maps."""

import math

import keras
import numpy as np
import pytest
from tensors import array, dtype, gradients

from umsrep import MultiTaskModel, runs
from umsrep.balancing import UncertaintyWeighting
from umsrep.errors import UmsrepError
from umsrep.finetuning.features import rest, sources
from umsrep.finetuning.parameters import count, parameter_counts
from umsrep.heads import AttentionHead, CAMHead, ClassificationHead
from umsrep.representations import ConvAutoencoder, UNet

NAMES = ("finding", "finding_attention")


def representation(side=32):
    return ConvAutoencoder((side, side, 1), filters=(4, 6, 8))


def gg_cam(balancer=None, initial=1.0, fidelity="paper"):
    return MultiTaskModel(
        representation(),
        [
            CAMHead(3, "finding", fidelity=fidelity),
            AttentionHead(
                "finding_attention",
                "finding_cam",
                initial=initial,
                fidelity=fidelity,
            ),
        ],
        balancer,
    )


def uncertainty(**options):
    return UncertaintyWeighting(
        initial={"finding_attention": math.exp(-16), "finding": 1.0},
        halved="finding_attention",
        **options,
    )


def spread(model):
    """Weights under which bias, classes and cells differ."""
    rng = np.random.default_rng(5)
    maps = model.head("finding").class_maps
    maps.set_weights([rng.normal(0, 1, w.shape) for w in maps.get_weights()])
    return model


def images(n=4, side=32):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (n, side, side, 1)).astype("float32")


def batch(n=4):
    rng = np.random.default_rng(1)
    labels = np.arange(n) % 3
    heat = np.full((n, 4, 4, 3), -1, "float32")
    for number, label in enumerate(labels[:-1]):
        heat[number, ..., label] = rng.uniform(0, 1, (4, 4))
    targets = {"finding": labels.astype("int32"), "finding_attention": heat}
    weights = {task: np.ones(n, "float32") for task in targets}
    weights["finding_attention"][-1] = 0
    return images(n), targets, weights


class TestMaps:
    def test_parameters_and_logits_are_those_of_gap_and_dense(self):
        shared = representation()
        dense = ClassificationHead(3, "finding", hidden_units=0, dropout=0)
        plain = MultiTaskModel(shared, dense)
        cam = CAMHead(3, "finding")
        model = MultiTaskModel(shared, cam)
        assert count(model) == count(plain)
        dense.classes.set_weights(
            [np.random.default_rng(2).normal(0, 1, w.shape)
             for w in dense.classes.get_weights()]
        )  # fmt: skip
        cam.class_maps.set_weights(dense.classes.get_weights())
        x = images()
        features = [model.features(x, ["bottleneck"])["bottleneck"]]
        np.testing.assert_allclose(
            array(cam.logits(features)),
            array(dense.logits(features)),
            rtol=1e-4,
            atol=1e-5,
        )
        np.testing.assert_allclose(
            array(model(x)["finding"]), array(plain(x)["finding"]), atol=1e-5
        )
        # So the dense head has the same maps.
        np.testing.assert_allclose(
            array(cam.maps(features)),
            array(dense.maps(features)),
            rtol=1e-4,
            atol=1e-5,
        )

    def test_maps_average_to_the_logits(self):
        model = spread(gg_cam())
        found = model.features(images(), ["finding_cam", "bottleneck"])
        maps = array(found["finding_cam"])
        assert maps.shape == (4, 4, 4, 3)
        logits = model.head("finding").logits([found["bottleneck"]])
        np.testing.assert_allclose(
            maps.mean(axis=(1, 2)), array(logits), rtol=1e-4, atol=1e-5
        )

    def test_attention_is_the_sigmoid_of_alpha_times_the_maps(self):
        model = spread(gg_cam(initial=2.5))
        maps = array(model.features(images(), ["finding_cam"])["finding_cam"])
        got = array(model(images())["finding_attention"])
        np.testing.assert_allclose(got, 1 / (1 + np.exp(-2.5 * maps)), 1e-4)
        assert model.head("finding_attention").alpha == pytest.approx(2.5)

    def test_only_the_map_of_the_true_class_is_supervised(self):
        model = spread(gg_cam())
        x, targets, weights = batch()
        targets["finding_attention"][1:] = -1
        weights["finding"][:] = 0
        kernel, bias = gradients(
            lambda: model.compute_loss(x, targets, model(x), weights),
            model.head("finding").class_maps.trainable_variables,
        )
        assert np.abs(kernel[:, 0]).max() > 0
        assert np.abs(kernel[:, 1:]).max() == np.abs(bias[1:]).max() == 0

    def test_code_means_over_channels_and_supervises_class_0(self):
        paper, code = spread(gg_cam()), spread(gg_cam(fidelity="code"))
        code.set_weights(paper.get_weights())
        x, targets, weights = batch()
        features = paper.features(x, ["bottleneck"])["bottleneck"]
        kernel, bias = paper.head("finding").class_maps.get_weights()
        found = code(x)
        # Without sigmoid, without bias, and G = 8 times smaller.
        np.testing.assert_allclose(
            array(found["finding_attention"]),
            array(features) @ kernel / 8,
            rtol=1e-4,
            atol=1e-5,
        )
        logits = array(features).mean(axis=(1, 2)) @ kernel / 8 + bias
        powers = np.exp(logits)
        np.testing.assert_allclose(
            array(found["finding"]),
            powers / powers.sum(-1, keepdims=True),
            atol=1e-5,
        )
        weights["finding"][:] = 0
        (gradient,) = gradients(
            lambda: code.compute_loss(x, targets, code(x), weights),
            [code.head("finding").class_maps.kernel],
        )
        assert np.abs(gradient[:, 0]).max() > 0
        assert np.abs(gradient[:, 1:]).max() == 0
        trainable = {id(one) for one in code.trainable_variables}
        assert id(code.head("finding_attention").log_alpha) not in trainable

    @pytest.mark.parametrize("name", NAMES)
    def test_float32_in_bfloat16(self, name):
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = spread(gg_cam(initial=0.5))
        x = images()
        features = model.features(x, ["bottleneck", "finding_cam"])
        assert dtype(features["bottleneck"]) == "bfloat16"
        exact = array(features["bottleneck"]).astype("float32")
        kernel, bias = model.head("finding").class_maps.get_weights()
        maps = exact @ kernel + bias
        np.testing.assert_allclose(
            array(features["finding_cam"]), maps, rtol=1e-4, atol=1e-4
        )
        got = model(x)[name]
        assert dtype(got) == "float32"
        if name == "finding_attention":
            # Half precision would be off by 1e-3.
            want = 1 / (1 + np.exp(-0.5 * maps))
            np.testing.assert_allclose(array(got), want, atol=2e-5)
        assert all(
            dtype(weight) == "float32" for weight in model.head(name).weights
        )


class TestModel:
    def test_exactly_three_more_trainable_scalars(self):
        plain = MultiTaskModel(representation(), CAMHead(3, "finding"))
        assert count(gg_cam(uncertainty())) == count(plain) + 3

    def test_prediction_needs_no_attention(self):
        model = gg_cam(uncertainty())
        view = model.view(["finding"])
        plain = MultiTaskModel(representation(), CAMHead(3, "finding"))
        assert count(view) == count(plain)
        assert set(view(images())) == {"finding"}
        names = {layer.name for layer in view.layers}
        assert "finding_attention" not in names

    def test_attention_trains_the_maps_it_reads(self):
        model = gg_cam()
        view = model.view(["finding_attention"])
        assert view.tasks == ("finding_attention",)
        assert [head.name for head in view.providers] == ["finding"]
        trainable = {id(one) for one in view.trainable_variables}
        maps = model.head("finding").class_maps
        assert {id(one) for one in maps.trainable_variables} <= trainable
        assert set(view(images())) == {"finding_attention"}
        x, targets, weights = batch()
        view.compile("sgd", jit_compile=False)
        before = maps.get_weights()[0]
        view.train_on_batch(
            x,
            {"finding_attention": targets["finding_attention"]},
            {"finding_attention": weights["finding_attention"]},
        )
        assert np.abs(maps.get_weights()[0] - before).max() > 0

    def test_a_view_of_a_view_and_one_more_head_keep_the_provider(self):
        view = gg_cam().view(["finding_attention"])
        again = view.view(["finding_attention"])
        more = view.with_head(ClassificationHead(2, "other"))
        assert set(again(images())) == {"finding_attention"}
        assert more.tasks == ("finding_attention", "other")

    @pytest.mark.parametrize("tasks", [NAMES, ["finding_attention"]])
    def test_saving(self, tasks, tmp_path):
        balancer = uncertainty() if len(tasks) == 2 else None
        model = spread(gg_cam(balancer, initial=3.0)).view(tasks, balancer)
        model.save(tmp_path / "m.keras")
        copy = runs.load_model(tmp_path / "m.keras")
        assert copy.tasks == tuple(tasks)
        assert count(copy) == count(model)
        x = images()
        for task, want in model(x).items():
            np.testing.assert_allclose(
                array(copy(x)[task]), array(want), atol=1e-6
            )
        assert copy.head("finding_attention").alpha == pytest.approx(3.0)
        copy.compile("sgd", jit_compile=False)
        _, targets, weights = batch()
        targets = {task: targets[task] for task in tasks}
        weights = {task: weights[task] for task in tasks}
        copy.train_on_batch(x, targets, weights)
        # One set of maps serves both heads also after loading.
        again = copy.view(["finding_attention"])
        np.testing.assert_allclose(
            array(again(x)["finding_attention"]),
            array(copy(x)["finding_attention"]),
            atol=1e-6,
        )

    def test_trained_weights_survive_saving(self, tmp_path):
        model = gg_cam(uncertainty())
        model.compile("adam", jit_compile=False)
        x, targets, weights = batch()
        for _ in range(2):
            model.train_on_batch(x, targets, weights)
        model.save(tmp_path / "m.keras")
        copy = runs.load_model(tmp_path / "m.keras")
        for task, want in model(x).items():
            np.testing.assert_allclose(
                array(copy(x)[task]), array(want), atol=1e-6
            )
        assert copy.balancer.sigmas() == pytest.approx(model.balancer.sigmas())

    def test_on_features_of_a_frozen_encoder(self):
        model = spread(gg_cam())
        names = sources(model, ("encoder",))
        assert names == ("bottleneck",)
        x = images()
        after = rest(model, names)(model.features(x, names))
        for task, want in model(x).items():
            np.testing.assert_allclose(
                array(after[task]), array(want), atol=1e-5
            )
        view = model.view("finding_attention")
        assert sources(view, ("encoder", "decoder")) == ("bottleneck",)
        found = rest(view, names)(model.features(x, names))
        assert set(found) == {"finding_attention"}

    def test_shared_maps_count_once(self):
        model = gg_cam()
        counts = parameter_counts(model)
        assert counts["finding"] == 8 * 3 + 3
        assert counts["finding_attention"] == 1
        assert counts["total"] == sum(counts[k] for k in ("encoder", *NAMES))

    def test_sigma_moves_from_e_to_the_minus_16(self):
        model = gg_cam(uncertainty())
        model.compile(keras.optimizers.Adam(6e-3), jit_compile=False)
        x, targets, weights = batch()
        moves = [math.exp(-16)]
        for _ in range(3):
            model.train_on_batch(x, targets, weights)
            moves.append(model.balancer.sigmas()["finding_attention"])
        # Adam's first step is its learning rate.
        assert math.log(moves[1]) == pytest.approx(-16 + 6e-3, abs=1e-4)
        assert all(np.diff(moves) > 0)
        assert np.isfinite(np.concatenate(
            [w.ravel() for w in model.get_weights()]
        )).all()  # fmt: skip


class TestErrors:
    @pytest.mark.parametrize(
        ("build", "least"),
        [
            (lambda s: ConvAutoencoder((s, s, 1), filters=(4, 6, 8)), 9),
            (lambda s: UNet((s, s, 1), width=2, depth=4), 9),
        ],
    )
    def test_one_cell_names_the_smallest_size(self, build, least):
        with pytest.raises(UmsrepError, match=f"at least {least} pixels"):
            MultiTaskModel(build(least - 1), CAMHead(2, "a"))
        model = MultiTaskModel(build(least), CAMHead(2, "a"))
        maps = model.features(images(1, least), ["a_cam"])["a_cam"]
        assert maps.shape == (1, 2, 2, 2)

    def test_provider_must_come_first(self):
        heads = [AttentionHead("att", "a_cam"), CAMHead(2, "a")]
        with pytest.raises(UmsrepError, match="list the head that provides"):
            MultiTaskModel(representation(), heads)
        with pytest.raises(UmsrepError, match=r"before it \('b', 'b_cam'\)"):
            MultiTaskModel(representation(), [CAMHead(2, "b"), heads[0]])

    def test_names_that_collide(self):
        heads = [CAMHead(2, "a"), ClassificationHead(2, "a_cam")]
        with pytest.raises(UmsrepError, match="Rename one of the two heads"):
            MultiTaskModel(representation(), heads)

    @pytest.mark.parametrize("tasks", [(), ("b",)])
    def test_unknown_tasks(self, tasks):
        with pytest.raises(UmsrepError, match="at least one of the heads"):
            MultiTaskModel(representation(), CAMHead(2, "a"), tasks=tasks)

    @pytest.mark.parametrize(
        ("build", "advice"),
        [
            (lambda: CAMHead(1, "a"), "has two classes"),
            (lambda: CAMHead(2, "a", ("stage1", "stage2")), "a single one"),
            (lambda: CAMHead(2, "a", fidelity="x"), "Choose 'paper'"),
            (lambda: AttentionHead("a", "c", initial=0), "such as 1"),
            (lambda: AttentionHead("a", ("c", "d")), "one CAMHead"),
            (lambda: AttentionHead("a", "c", fidelity="x"), "Choose 'paper'"),
        ],
    )
    def test_bad_arguments(self, build, advice):
        with pytest.raises(UmsrepError, match=advice):
            build()

    def test_feature_without_cells(self):
        with pytest.raises(UmsrepError, match="no rows and columns"):
            MultiTaskModel(representation(), CAMHead(2, "a", "intensity"))
