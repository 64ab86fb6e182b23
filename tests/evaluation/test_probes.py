import keras
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from umsrep import backend
from umsrep.data import load
from umsrep.errors import UmsrepError
from umsrep.evaluation import cell_probe, probes, probing
from umsrep.evaluation.frozen_features import (
    Reader,
    cell_stages,
    frozen_features,
)
from umsrep.representations import ConvAutoencoder, UNet

TASKS = ("blob", "level")


@pytest.fixture(scope="module")
def representation():
    keras.utils.set_random_seed(0)
    return ConvAutoencoder((32, 32, 1), filters=(4, 8, 8))


@pytest.fixture(scope="module")
def sides(prepared_folder):
    training, _, test = load(prepared_folder).split(fractions=(0.5, 0.1, 0.4))
    return training, test


def separable(count=60, columns=5, seed=0, gap=3.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    features = rng.normal(size=(count, columns)) * (1 + np.arange(columns))
    features[:, 1] += gap * 2 * labels
    return features, labels, np.arange(count) // 2


def test_features_are_means_over_the_image(representation, sides):
    data = sides[0].subset(np.arange(5))
    whole = representation.predict_on_batch(data.images.astype("float32"))
    expected = np.asarray(whole["bottleneck"])
    found = frozen_features(representation, data, deviations=True)
    mean, std = np.split(found, 2, axis=1)
    np.testing.assert_allclose(mean, expected.mean((1, 2)), atol=1e-4)
    np.testing.assert_allclose(std, expected.std((1, 2)), atol=1e-4)
    with pytest.raises(UmsrepError, match="Its features: stage1"):
        frozen_features(representation, data, feature="nose")


def test_replicas_do_not_repeat_images(representation, sides, monkeypatch):
    """Where several devices train, Keras predicts one copy for each."""
    data = sides[0].subset(np.arange(5))
    reader = Reader(representation)
    alone = reader.read(data)
    real = reader._model.predict_on_batch

    def twice(images):
        return {k: np.concatenate([v, v]) for k, v in real(images).items()}

    monkeypatch.setattr(reader._model, "predict_on_batch", twice)
    monkeypatch.setattr(backend, "replicas", lambda: 2)
    for found, expected in zip(reader.read(data), alone, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-2, rtol=1e-3)


def test_cells_are_those_of_the_coarsest_fine_stage(representation, sides):
    network = UNet((64, 64, 1), width=2, depth=6)
    stages = cell_stages(network)
    assert network.stride(stages[0]) == 16
    reader = Reader(representation)
    data = sides[0].subset(np.arange(3))
    _, cells = reader.read(data)
    assert cells.shape[1:3] == reader.cells.grid
    first, *others = cell_stages(representation)
    whole = representation.predict_on_batch(data.images.astype("float32"))
    width = whole[first].shape[-1]
    np.testing.assert_allclose(
        cells[..., :width], np.asarray(whole[first]), atol=2e-2
    )
    # A finer stage is averaged, which keeps its mean.
    next_width = whole[others[0]].shape[-1]
    np.testing.assert_allclose(
        cells[..., width : width + next_width].mean((1, 2), dtype=float),
        np.asarray(whole[others[0]]).mean((1, 2)),
        atol=2e-2,
    )


def test_a_linear_probe_finds_the_column_that_tells():
    features, labels, groups = separable()
    others, asked, _ = separable(seed=1)
    scores = probes.linear_probe(features, labels, groups, others)
    assert scores.shape == (60, 2)
    assert probing.auc(asked, scores) > 0.9
    told_nothing, *_ = separable(seed=2, gap=0.0)
    scores = probes.linear_probe(told_nothing, labels, groups, others)
    assert probing.auc(asked, scores) < 0.8


def test_units_and_rotations_of_features_do_not_matter():
    features, labels, groups = separable(20, 60)
    others, *_ = separable(20, 60, seed=1)
    plain = probes.linear_probe(features, labels, groups, others)
    scaled = probes.linear_probe(
        features * 1e3 + 7, labels, groups, others * 1e3 + 7
    )
    np.testing.assert_allclose(plain, scaled, atol=1e-2)


def test_a_constant_column_changes_nothing():
    features, labels, groups = separable()
    others, *_ = separable(seed=1)
    more = [np.c_[x, np.full(len(x), 0.3)] for x in (features, others)]
    for function in (
        lambda a, b: probes.linear_probe(a, labels, groups, b),
        lambda a, b: probes.nearest_neighbours(a, labels, b),
    ):
        np.testing.assert_allclose(
            function(features, others), function(*more), atol=1e-6
        )


def test_the_nearest_neighbour_of_an_image_is_itself():
    features, labels, _ = separable()
    votes = probes.nearest_neighbours(features, labels, features, 1)
    np.testing.assert_array_equal(votes.argmax(1), labels)
    np.testing.assert_allclose(votes.sum(1), 1)
    # The votes of all but half of the images are not heard.
    assert probes.nearest_neighbours(features[:2], labels[:2], features).shape


def test_ridge_regression_is_that_of_a_library():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(12, 4, 4, 3)) * (1, 5, 0.2) + 2
    inside = cells[..., 0] + 0.3 * rng.normal(size=(12, 4, 4)) > 2.3
    sums = cell_probe._sums(cells, inside)
    weights, offset = cell_probe._solved(sums, 0.1)
    rows, target = cells.reshape(-1, 3), inside.reshape(-1).astype(float)
    mean, spread = rows.mean(0), rows.std(0)
    model = Ridge(alpha=0.1 * len(rows)).fit((rows - mean) / spread, target)
    np.testing.assert_allclose(weights * spread, model.coef_, rtol=1e-3)
    predicted = rows @ weights + offset
    np.testing.assert_allclose(
        predicted, model.predict((rows - mean) / spread), atol=1e-4
    )
    np.testing.assert_allclose(
        cell_probe._error(sums, weights, offset),
        ((predicted - target) ** 2).sum(),
        rtol=1e-3,
    )
    found = cell_probe.fit(cells, inside, np.arange(12))
    assert cell_probe.dice(inside, found.inside(cells)).mean() > 0.85
    assert cell_probe.dice(inside, ~inside).max() == 0


def test_a_probe_tells_what_is_in_the_images(representation, sides):
    found = probes.probe(representation, *sides, TASKS)
    assert list(found) == list(TASKS)
    # Ellipses are brighter than what is around them, whatever the weights.
    blob, level = found["blob"], found["level"]
    assert blob["cell_dice"] > 0.6
    low, high = blob["cell_dice_ci95"]
    assert 0 <= low < blob["cell_dice"] < high <= 1
    assert level["linear_auc"] > 0.7
    for name in ("linear_auc", "knn_auc"):
        low, high = level[f"{name}_ci95"]
        assert low <= level[name] <= high
    assert level["images"] == int(sides[1].labelled("level").sum())
    assert level["patients"] <= level["images"]


def test_shuffled_labels_are_not_told(representation, sides):
    training, test = sides
    rng = np.random.default_rng(0)
    values = []
    for _ in range(6):
        table = training.table.copy()
        table["level"] = rng.permutation(table["level"])
        values.append(
            probes.probe(
                representation, training._with(table=table), test, ["level"]
            )["level"]["linear_auc"]
        )
    assert np.mean(values) < 0.75


def test_probes_follow_weights_that_change(sides):
    network = ConvAutoencoder((32, 32, 1), filters=(4, 8))
    made = probes.Probes(network, *sides, ["level"])
    before = made()
    assert before == made()
    for variable in network.trainable_variables:
        variable.assign(variable * 0)
    after = made()
    # All images look the same to a network without weights.
    assert after["level"]["knn_auc"] == pytest.approx(0.5)
    assert before["level"]["knn_auc"] != after["level"]["knn_auc"]


def test_a_part_of_a_side_is_what_reading_it_gives(representation, sides):
    reader = Reader(representation)
    training, test = sides
    chosen = training.subset(np.arange(1, len(training), 2))
    whole = probes.Side.read(reader, training, TASKS).subset(chosen)
    alone = probes.Side.read(reader, chosen, TASKS)
    judged = probes.Side.read(reader, test, TASKS)
    part = probes.measure(whole, judged, TASKS)
    np.testing.assert_allclose(whole.pooled, alone.pooled, atol=1e-4)
    for task, row in probes.measure(alone, judged, TASKS).items():
        for name in set(row) & {"cell_dice", "knn_auc"}:
            assert part[task][name] == pytest.approx(row[name], abs=0.02)


def test_what_cannot_be_probed_says_why(representation, sides):
    training, test = sides
    one = training.subset(training.labels("level") == 1)
    assert (
        "two classes"
        in (
            probes.probe(representation, one, test, ["level"])["level"][
                "skipped"
            ]
        )
    )
    no_mask = test.subset(~test.labelled("blob"))
    found = probes.probe(representation, training, no_mask, ["blob"])
    assert "none to judge on" in found["blob"]["skipped"]
