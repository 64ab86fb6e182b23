"""Linear heads: their columns, solution and maps."""

import keras
import numpy as np
import pytest
from scipy.special import softmax

from umsrep import MultiTaskModel
from umsrep.derived import CAM, GradCAM
from umsrep.errors import UmsrepError
from umsrep.heads import LinearHead, logistic
from umsrep.heads.linear import usual_features
from umsrep.representations import ConvAutoencoder, Representation


def features(seed=0, count=40):
    rng = np.random.default_rng(seed)
    fine = rng.normal(size=(count, 8, 8, 3)).astype("float32")
    coarse = rng.normal(size=(count, 4, 4, 5)).astype("float32")
    labels = np.arange(count) % 2
    # The classes differ in a spread, which no mean tells.
    fine[labels == 1, ..., 0] *= 2
    return [coarse, fine], labels


def solved(**options):
    given, labels = features()
    head = LinearHead(2, "level", features=("coarse", "fine"), **options)
    head(given)
    columns = keras.ops.convert_to_numpy(head.columns(given))
    return head, columns, labels, head.solve(columns, labels, np.arange(40))


def test_columns_are_means_and_deviations():
    given, _ = features()
    head = LinearHead(2, "level", features=("coarse", "fine"))
    columns = keras.ops.convert_to_numpy(head.columns(given))
    expected = [f(x, (1, 2)) for x in given for f in (np.mean, np.std)]
    np.testing.assert_allclose(columns, np.concatenate(expected, 1), atol=1e-4)


def test_the_head_predicts_what_was_solved():
    head, columns, labels, loss = solved()
    fitted = logistic.fit(columns, labels, np.arange(40), 2)
    assert loss == pytest.approx(fitted.loss)
    others, asked = features(seed=1)
    expected = softmax(fitted.scores(np.asarray(head.columns(others))), axis=1)
    given = keras.ops.convert_to_numpy(head(others))
    np.testing.assert_allclose(given, expected, atol=1e-4)
    assert (given.argmax(1) == asked).mean() > 0.9


def test_half_precision_keeps_the_digits_of_what_is_standardised():
    # Columns far from 0, as of a ReLU: near 50, bfloat16 has steps of 0.25,
    # and the means of these images differ by a tenth.
    given, labels = features()
    given = [
        keras.ops.cast(keras.ops.cast(50 + x, "bfloat16"), "float32")
        for x in given
    ]
    found = []
    for policy in ("float32", "mixed_bfloat16"):
        head = LinearHead(2, "level", features=("coarse", "fine"), dtype=policy)
        head(given)
        columns = keras.ops.convert_to_numpy(head.columns(given))
        head.solve(columns, labels, np.arange(40))
        found.append(keras.ops.convert_to_numpy(head(given)))
    np.testing.assert_allclose(*found, atol=1e-3)


def test_without_deviations_a_spread_says_nothing():
    head, *_, loss = solved(deviations=False)
    assert head.classes.kernel.shape == (8, 2)
    assert loss > 0.5 > solved()[-1]


def test_the_mean_of_the_maps_is_the_logit():
    head, *_ = solved()
    others, _ = features(seed=1)
    maps = keras.ops.convert_to_numpy(head.maps(others))
    assert maps.shape == (40, 8, 8, 2)
    logits = keras.ops.convert_to_numpy(head.logits(others))
    np.testing.assert_allclose(maps.mean((1, 2)), logits, atol=1e-3)


def test_maps_show_where_a_spread_comes_from():
    head, *_ = solved()
    others, _ = features(seed=1)
    others[1][:, :2, :2, 0] *= 6
    maps = keras.ops.convert_to_numpy(head.maps(others))[..., 1]
    inside = maps[:, :2, :2].mean()
    assert inside > maps[:, 2:].mean() + 1


def test_grids_that_do_not_tile_each_other_keep_the_mean():
    head = LinearHead(2, "level", features=("coarse", "fine"))
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 8, 9, 2))]
    head(given)
    maps = keras.ops.convert_to_numpy(head.maps(given))
    assert maps.shape == (2, 8, 9, 2)
    logits = keras.ops.convert_to_numpy(head.logits(given))
    np.testing.assert_allclose(maps.mean((1, 2)), logits, atol=1e-4)


def test_grad_cam_is_refused_where_it_would_leave_out_deviations():
    model = MultiTaskModel(Strided(), LinearHead(2, "level"))
    with pytest.raises(UmsrepError, match="Use CAM"):
        GradCAM("level")(model, np.zeros((1, 64, 64, 1)))
    means = LinearHead(2, "level", deviations=False)
    model = MultiTaskModel(Strided(), means)
    assert GradCAM("level")(model, np.zeros((1, 64, 64, 1))).shape[0] == 1


def test_one_class_is_refused():
    with pytest.raises(UmsrepError, match="num_classes=1; expected at least"):
        LinearHead(1, "level")


def test_a_constant_channel_has_a_finite_slope():
    given, _ = features()
    given = [np.zeros_like(x) for x in given]
    head = LinearHead(2, "level", features=("coarse", "fine"))
    head(given)
    from umsrep import backend

    tensors = [keras.ops.convert_to_tensor(x) for x in given]

    def score(first):
        return keras.ops.sum(head.logits([first, tensors[1]])), first

    slope, _ = backend.gradient(score, tensors[0])
    assert np.isfinite(keras.ops.convert_to_numpy(slope)).all()


def test_cam_of_a_model_has_the_finest_cells(tmp_path):
    representation = ConvAutoencoder((32, 32, 1), filters=(4, 8, 8))
    head = LinearHead(2, "level", features=("bottleneck", "stage2"))
    model = MultiTaskModel(representation, head)
    x = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 1))
    grids = CAM("level").grids(model, x, np.ones(3, int))
    assert grids.shape == (3, 8, 8)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        CAM("level").grids(again, x, np.ones(3, int)), grids, atol=1e-5
    )


class Strided(Representation):
    """Stages of strides 4, 8, 16 and 32, and nothing learnt."""

    def __init__(self, **kwargs):
        image = x = keras.Input((64, 64, 1), name="image")
        outputs = {}
        for stride in (4, 8, 16, 32):
            pool = keras.layers.AveragePooling2D(stride)
            outputs[f"stage{stride}"] = pool(x)
        outputs["bottleneck"] = outputs["stage32"]
        super().__init__(inputs=image, outputs=outputs, **kwargs)


def test_pretrained_weights_are_read_up_to_16_pixels_per_cell():
    own = Strided()
    assert usual_features(own) == ("bottleneck", "stage16", "stage8")
    own.origin = {"source": "imagenet"}
    assert usual_features(own) == ("stage16", "stage8")


def test_a_head_without_features_takes_the_usual_ones():
    head = LinearHead(2, "level")
    model = MultiTaskModel(Strided(), head)
    assert model.head("level").features == ("bottleneck", "stage16", "stage8")
    again = LinearHead.from_config(head.get_config())
    assert tuple(again.features) == head.features


def test_images_too_small_for_such_stages_give_the_bottleneck():
    small = ConvAutoencoder((32, 32, 1), filters=(4, 8))
    assert usual_features(small) == ("bottleneck",)
