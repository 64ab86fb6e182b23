"""PCGrad and UPGrad: weights of the Gramian, and what models do with them."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy import optimize
from tensors import array, gradients

from umsrep import MultiTaskModel, finetuning
from umsrep.balancing import FixedWeighting, PCGrad, UPGrad
from umsrep.errors import UmsrepError
from umsrep.heads import (
    AttentionHead,
    CAMHead,
    ClassificationHead,
    Head,
    SegmentationHead,
)
from umsrep.losses import MeanSquaredError
from umsrep.representations import ConvAutoencoder, Representation

METHODS = (PCGrad, UPGrad)


def weights_of(method, rows):
    """(tasks,) weights for the gradients in the rows."""
    gramian = ops.convert_to_tensor(rows @ rows.T, "float32")
    return array(method().gradient_weights(gramian))


def drawn(count, seed=0):
    """Gradients of some tasks, most of them in conflict with others."""
    return np.random.default_rng(seed).normal(size=(count, 5))


def projected_by_hand(rows, order):
    """g_i^PC of Algorithm 1, with (i, order of the others) for each task."""
    total = 0
    for i, others in enumerate(order):
        found = rows[i].copy()
        for j in others:
            inner = found @ rows[j]
            if inner < 0:
                found -= inner / (rows[j] @ rows[j]) * rows[j]
        total = total + found
    return total


@pytest.mark.parametrize("method", METHODS)
class TestBoth:
    def test_gradients_without_conflict_are_summed(self, method):
        rows = np.array([[1.0, 0.0], [2.0, 3.0], [0.0, 0.1]])
        np.testing.assert_allclose(weights_of(method, rows), 1, rtol=1e-4)

    def test_two_tasks_in_conflict_both_gain(self, method):
        for seed in range(20):
            rows = drawn(2, seed)
            rows[1] -= rows[0] * (rows[0] @ rows[1] + 1) / (rows[0] @ rows[0])
            assert rows[0] @ rows[1] < 0
            found = weights_of(method, rows) @ rows
            assert (rows @ found > -1e-3).all()

    def test_a_task_without_gradient_changes_nothing(self, method):
        rows = drawn(3, 4)
        with_absent = np.insert(rows, 1, 0, axis=0)
        found = weights_of(method, with_absent)[[0, 2, 3]]
        np.testing.assert_allclose(found, weights_of(method, rows), rtol=1e-4)

    def test_weights_do_not_depend_on_the_scale_of_all(self, method):
        rows = drawn(3, 1)
        small = weights_of(method, rows * 1e-6)
        np.testing.assert_allclose(small, weights_of(method, rows), rtol=1e-4)

    def test_opposite_gradients_cancel(self, method):
        rows = np.array([[1.0, 2.0], [-1.0, -2.0]])
        found = weights_of(method, rows) @ rows
        np.testing.assert_allclose(found, 0, atol=1e-3)


def test_pcgrad_is_the_mean_over_orders():
    for seed in range(5):
        rows = drawn(4, seed)
        every = [
            list(itertools.permutations([j for j in range(4) if j != i]))
            for i in range(4)
        ]
        # One order per task; the tasks' orders are drawn apart.
        mean = sum(
            projected_by_hand(rows, [every[i][n] for i in range(4)])
            for n in range(6)
        )
        np.testing.assert_allclose(
            weights_of(PCGrad, rows) @ rows, mean / 6, atol=1e-5
        )


def test_pcgrad_of_many_tasks_draws_its_orders():
    rows = drawn(9)
    assert (weights_of(PCGrad, rows) >= 1 - 1e-5).all()


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_upgrad_projects_onto_the_dual_cone(count):
    for seed in range(10):
        rows = drawn(count, seed) * np.geomspace(1, 100, count)[:, None]
        # By Moreau, the projection is g less that onto the polar cone.
        expected = 0
        for row in rows:
            added, _ = optimize.nnls(rows.T, -row)
            expected = expected + row + added @ rows
        found = weights_of(UPGrad, rows) @ rows
        scale = np.linalg.norm(rows, axis=1)
        np.testing.assert_allclose(found, expected, atol=3e-3 * scale.max())
        # No task loses, up to the ridge.
        assert (rows @ found / scale > -1e-3 * scale.max()).all()


def test_pcgrad_lets_a_third_task_lose_and_upgrad_does_not():
    worst = {method: 0.0 for method in METHODS}
    for seed in range(40):
        rows = drawn(4, seed)
        for method in METHODS:
            least = (rows @ (weights_of(method, rows) @ rows)).min()
            worst[method] = min(worst[method], least)
    assert worst[PCGrad] < -0.1
    assert worst[UPGrad] > -0.01


@pytest.mark.parametrize("method", METHODS)
def test_a_quadratic_of_two_tasks(method):
    """One step from a point of conflict lowers both; the sum raises one."""
    centres = np.array([[1.0, 0.0], [-1.0, 0.2]])
    curved = np.array([1.0, 25.0])

    def losses(x):
        return curved * ((x - centres) ** 2).sum(1)

    x = np.array([0.0, 1.0])
    rows = 2 * curved[:, None] * (x - centres)
    summed = losses(x - 1e-4 * rows.sum(0)) - losses(x)
    found = weights_of(method, rows) @ rows
    moved = losses(x - 1e-4 * found) - losses(x)
    assert summed.max() > 0
    assert moved.max() < 0


def test_too_many_tasks_for_upgrad():
    with pytest.raises(UmsrepError, match="Use PCGrad"):
        UPGrad().attach([f"t{i}" for i in range(9)])


class Linear(Representation):
    """One feature, linear in the image; nothing else."""

    def __init__(self, image_shape=(2, 2, 1), name="linear"):
        image = keras.Input(image_shape)
        layer = keras.layers.Conv2D(3, 1, use_bias=False, name="encoder_conv")
        super().__init__(
            inputs=image, outputs={"bottleneck": layer(image)}, name=name
        )


class Mean(Head):
    """Regresses an image of one channel, linearly."""

    kind = "image"

    def __init__(self, name):
        super().__init__(name, "bottleneck")
        self.dense = keras.layers.Dense(1, use_bias=False)

    def default_loss(self):
        return MeanSquaredError()

    def build(self, shapes):
        self.dense.build(shapes[0])

    def call(self, features):
        return self.dense(features[0])


def linear_model(balancer):
    """Two tasks that want the features' opposite."""
    model = MultiTaskModel(Linear(), [Mean("a"), Mean("b")], balancer)
    model.representation.set_weights([np.full((1, 1, 1, 3), 0.1)])
    for head, row in zip(model.heads, ([3, 2, 1], [2, 3, -1]), strict=True):
        head.set_weights([np.array(row)[:, None] / 10])
    return model


def linear_batch():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 2, 2, 1)).astype("float32")
    return x, {"a": x * 3, "b": x * -2}


def gradients_of(model, x, y, variables, weights=None):
    return gradients(
        lambda: model.compute_loss(
            x, y, model(x, training=True), weights, training=True
        ),
        variables,
    )


def ones(y, absent=()):
    return {t: np.full(4, float(t not in absent), "float32") for t in y}


@pytest.mark.parametrize("method", METHODS)
class TestModel:
    def parts(self, method, absent=()):
        """Gradients of each task alone and of both, of the same weights."""
        model = linear_model(method())
        x, y = linear_batch()
        encoder = model.representation.trainable_variables
        heads = [head.trainable_variables[0] for head in model.heads]
        alone = [
            gradients_of(model.view(task), x, y, [*encoder, *heads], ones(y))
            for task in y
        ]
        found = gradients_of(model, x, y, [*encoder, *heads], ones(y, absent))
        # dL/dz of each task, for the Gramian.
        features = model.features(x, ["bottleneck"])["bottleneck"]
        features = keras.Variable(features)
        rows = []
        for head in model.heads:
            (row,) = gradients(
                lambda head=head: ops.mean(
                    head.loss.call(y[head.name], head([features * 1.0]))
                ),
                [features],
            )
            rows.append(row.ravel())
        return alone, found, np.array(rows)

    def test_the_encoder_gets_the_weighted_sum_and_heads_their_own(
        self, method
    ):
        alone, found, rows = self.parts(method)
        weights = weights_of(method, rows)
        assert weights.max() > 1.01, "no conflict: the test shows nothing"
        np.testing.assert_allclose(
            found[0],
            weights[0] * alone[0][0] + weights[1] * alone[1][0],
            rtol=1e-4,
        )
        np.testing.assert_allclose(found[1], alone[0][1], rtol=1e-4)
        np.testing.assert_allclose(found[2], alone[1][2], rtol=1e-4)

    def test_an_absent_task_leaves_the_other_alone(self, method):
        alone, found, _ = self.parts(method, absent=("b",))
        np.testing.assert_allclose(found[0], alone[0][0], rtol=1e-4)
        np.testing.assert_allclose(found[2], 0)

    def test_values_losses_and_weights_are_those_of_equal_weights(self, method):
        model, plain = linear_model(method()), linear_model(FixedWeighting())
        assert len(model.weights) == len(plain.weights)
        x, y = linear_batch()
        for training in (False, True):
            np.testing.assert_allclose(
                array(model(x, training=training)["a"]),
                array(plain(x, training=training)["a"]),
                rtol=1e-6,
            )
        losses = [
            float(array(m.compute_loss(x, y, m(x), ones(y))))
            for m in (model, plain)
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)

    def test_an_absent_task_s_own_layers_stay_under_momentum(self, method):
        model = MultiTaskModel(
            ConvAutoencoder((16, 16, 1), filters=(4, 6)),
            [
                SegmentationHead("lung"),
                ClassificationHead(2, "finding", dropout=0.0),
            ],
            method(),
        )
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
        rng = np.random.default_rng(0)
        x = rng.uniform(0, 255, (4, 16, 16, 1)).astype("float32")
        y = {
            "lung": (x > 120).astype("float32"),
            "finding": np.array([0, 1, 0, 1]),
        }
        model.train_on_batch(x, y, ones(y))
        kept = [
            *model.head("lung").variables,
            *(
                variable
                for layer in model.representation.part("decoder")
                for variable in layer.variables
            ),
        ]
        before = [array(v).copy() for v in kept]
        encoder = array(model.representation.variables[0]).copy()
        model.train_on_batch(x, y, ones(y, absent=("lung",)))
        for old, variable in zip(before, kept, strict=True):
            np.testing.assert_array_equal(old, array(variable))
        assert np.any(encoder != array(model.representation.variables[0]))


def test_a_head_that_reads_another_one_is_refused():
    with pytest.raises(UmsrepError, match="Use another balancer"):
        MultiTaskModel(
            ConvAutoencoder((32, 32, 1), filters=(4, 8)),
            [CAMHead(2, "level"), AttentionHead("gaze", "level_cam")],
            PCGrad(),
        )


def test_a_frozen_encoder_has_no_use_for_it():
    model = linear_model(PCGrad())
    strategy = finetuning.Joint(freeze="encoder")
    with pytest.raises(UmsrepError, match="let the encoder train"):
        strategy.groups(model, lambda name, model: None)
    later = finetuning.Joint(freeze="encoder", release_after=0.5)
    assert later.groups(model, lambda name, model: name) == [["joint"]]
