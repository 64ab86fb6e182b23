"""The contract of explainers, and what each map must show."""

import linear_classifier
import numpy as np
import pytest
from keras import ops
from tensors import array

from umsrep import MultiTaskModel, backend
from umsrep.derived import CAM, GradCAM, GradCAMPlusPlus, Occlusion
from umsrep.errors import UmsrepError
from umsrep.heads import (
    AttentionHead,
    CAMHead,
    ClassificationHead,
    SegmentationHead,
)
from umsrep.representations import ConvAutoencoder

EXPLAINERS = (
    CAM,
    GradCAM,
    GradCAMPlusPlus,
    lambda task, **options: Occlusion(task, patch=8, **options),
)
IDS = ("CAM", "GradCAM", "GradCAMPlusPlus", "Occlusion")
every = pytest.mark.parametrize("build", EXPLAINERS, ids=IDS)


@pytest.fixture
def model():
    """Two label tasks, maps in both; weights that tell classes apart."""
    made = MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("lung"),
            CAMHead(3, "finding"),
            AttentionHead("finding_attention", "finding_cam"),
            ClassificationHead(2, "view", hidden_units=0),
        ],
    )
    rng = np.random.default_rng(1)
    for layer in (made.head("finding").class_maps, made.head("view").classes):
        layer.set_weights(
            [rng.normal(0, 1, w.shape) for w in layer.get_weights()]
        )
    return made


def images(n=3):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (n, 32, 32, 1)).astype("float32")


class TestContract:
    @every
    @pytest.mark.parametrize(("task", "classes"), [("finding", 3), ("view", 2)])
    def test_any_label_task_of_a_model(self, build, task, classes, model):
        for index in range(classes):
            maps = build(task, class_index=index)(model, images())
            assert maps.shape == (3, 32, 32)
            assert maps.dtype == np.float32
            assert 0 <= maps.min() <= maps.max() <= 1

    @every
    def test_one_image_at_a_time_gives_the_same(self, build, model):
        x = images()
        many = build("finding").grids(model, x, [2, -1, 0])
        for i, index in enumerate([2, -1, 0]):
            one = build("finding", batch_size=1)
            grid = one.grids(model, x[i : i + 1], [index])
            np.testing.assert_allclose(many[i], grid[0], rtol=1e-3, atol=1e-5)

    @every
    def test_default_is_the_winning_class(self, build, model):
        x = images()
        winner = array(model(x)["finding"]).argmax(-1)
        explainer = build("finding")
        np.testing.assert_allclose(
            explainer.grids(model, x),
            explainer.grids(model, x, winner),
            atol=1e-5,
        )

    @every
    def test_follows_the_weights(self, build, model):
        x = images()
        explainer = build("view", class_index=1)
        explainer(model, x)
        for variable in model.head("view").classes.trainable_variables:
            variable.assign(-variable)
        fresh = build("view", class_index=1)(model, x)
        np.testing.assert_allclose(explainer(model, x), fresh, atol=1e-5)

    @every
    def test_full_size_is_the_scaled_positive_part(self, build, model):
        x = images(1)
        explainer = build("finding", class_index=0)
        grids = explainer.grids(model, x)
        maps = explainer.enlarge(model, grids)
        np.testing.assert_array_equal(maps, explainer(model, x))
        # Whatever the scale; and nothing where nothing is positive.
        np.testing.assert_allclose(
            explainer.enlarge(model, grids * 7), maps, atol=1e-6
        )
        assert explainer.enlarge(model, -np.abs(grids)).max() == 0

    @every
    @pytest.mark.parametrize(
        ("task", "classes", "advice"),
        [
            ("lung", None, "ClassificationHead or a CAMHead"),
            ("finding_attention", None, "ClassificationHead or a CAMHead"),
            ("heart", None, "The model's tasks: lung"),
            ("finding", [0, 3, 0], "classes 0 to 2"),
            ("finding", [0, -2, 0], "-1 is the likeliest one"),
            ("finding", [0], "class to explain for each image"),
        ],
    )
    def test_bad_requests(self, build, task, classes, advice, model):
        with pytest.raises(UmsrepError, match=advice):
            build(task)(model, images(), classes)

    @every
    def test_bad_class_index_and_images(self, build, model):
        with pytest.raises(UmsrepError, match="None is the likeliest one"):
            build("finding", class_index=-1)(model, images())
        with pytest.raises(UmsrepError, match="single one"):
            build("finding")(model, images()[0])


class TestCAM:
    @pytest.mark.parametrize("task", ["finding", "view"])
    def test_averages_to_the_logits(self, task, model):
        x = images()
        head = model.head(task)
        features = model.features(x, ["bottleneck"])["bottleneck"]
        logits = array(head.logits([features]))
        for index in range(head.num_classes):
            grids = CAM(task, class_index=index).grids(model, x)
            np.testing.assert_allclose(
                grids.mean(axis=(1, 2)), logits[:, index], rtol=1e-3, atol=1e-4
            )

    @pytest.mark.parametrize("task", ["finding", "view"])
    def test_equals_grad_cam_after_relu_and_scaling(self, task, model):
        layer = getattr(
            model.head(task), "class_maps" if task == "finding" else "classes"
        )
        # The gradient does not see the bias.
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel, 0 * bias])
        x = images()
        maps = CAM(task)(model, x)
        assert maps.max() > 0.5
        np.testing.assert_allclose(maps, GradCAM(task)(model, x), atol=1e-4)

    def test_of_a_head_with_its_own_convolutions(self):
        head = ClassificationHead(
            2, "a", hidden_units=0, convolutions=(6,), dropout=0
        )
        model = MultiTaskModel(
            ConvAutoencoder((32, 32, 1), filters=(4, 8)), head
        )
        grids = CAM("a", class_index=1).grids(model, images())
        assert grids.shape == (3, 4, 4)
        features = model.features(images(), ["bottleneck"])["bottleneck"]
        np.testing.assert_allclose(
            grids.mean(axis=(1, 2)),
            array(head.logits([features]))[:, 1],
            rtol=1e-3,
            atol=1e-5,
        )

    @pytest.mark.parametrize(
        "head",
        [
            ClassificationHead(2, "a"),
            ClassificationHead(
                2, "a", features=("bottleneck", "stage1"), hidden_units=0
            ),
        ],
    )
    def test_heads_without_a_map(self, head):
        model = MultiTaskModel(
            ConvAutoencoder((32, 32, 1), filters=(4, 8)), head
        )
        with pytest.raises(UmsrepError, match="Use GradCAM, a CAMHead"):
            CAM("a")(model, images())


class TestGradCAMPlusPlus:
    def test_closed_form_on_gap_and_dense(self, model):
        # There g = Lambda / cells everywhere, so w = ReLU(L) / (2 + L mean A).
        x = images()
        features = array(model.features(x, ["bottleneck"])["bottleneck"])
        kernel = model.head("view").classes.get_weights()[0][:, 1]
        positive = np.maximum(kernel, 0)
        weights = positive / (2 + positive * features.mean(axis=(1, 2)))
        want = np.einsum("nk,nijk->nij", weights, features)
        grids = GradCAMPlusPlus("view", class_index=1).grids(model, x)
        np.testing.assert_allclose(grids, want, rtol=1e-3, atol=1e-5)

    def test_equals_the_published_formula(self):
        # Where the gradient differs from cell to cell: hidden ReLU units on
        # convolutions. The formula as printed, with exp(score) and all.
        head = ClassificationHead(
            2, "a", hidden_units=8, convolutions=(6,), dropout=0
        )
        model = MultiTaskModel(
            ConvAutoencoder((32, 32, 1), filters=(4, 8)), head
        )
        x = images()
        feature = model.features(x, ["bottleneck"])["bottleneck"]

        def score(activation):
            logits = head.logits([activation])
            return ops.sum(logits[:, 1]), logits

        g, logits = backend.gradient(score, feature)
        a, g = array(feature).astype(float), array(g).astype(float)
        power = np.exp(array(logits)[:, 1])[:, None, None, None]
        bottom = 2 * g**2 + a.sum(axis=(1, 2), keepdims=True) * g**3
        alpha = np.divide(g**2, bottom, out=np.zeros_like(g), where=g > 0)
        weights = (alpha * np.maximum(power * g, 0)).sum(
            axis=(1, 2), keepdims=True
        )
        want = np.maximum((weights * a).sum(-1), 0)
        got = GradCAMPlusPlus("a", class_index=1)(model, x)
        want = GradCAMPlusPlus("a").enlarge(model, want)
        np.testing.assert_allclose(got, want, atol=1e-3)

    @pytest.mark.parametrize("task", ["finding", "view"])
    def test_is_never_negative(self, task, model):
        for index in range(2):
            grids = GradCAMPlusPlus(task, class_index=index).grids(
                model, images()
            )
            assert grids.min() >= 0
            assert grids.max() > 0


class TestOcclusion:
    def test_finds_the_square_that_decides(self):
        x = linear_classifier.images()
        model = linear_classifier.model(gain=40.0)
        explainer = Occlusion("finding", patch=8, stride=4, fill=0)
        grids = explainer.grids(model, x)
        assert grids.shape == (4, 7, 7)
        for grid in grids:
            # The patch whose corner is the square's, (8, 20).
            assert np.unravel_index(grid.argmax(), grid.shape) == (2, 5)
        inside = np.zeros((32, 32), bool)
        inside[linear_classifier.SQUARE] = True
        maps = explainer(model, x)
        assert maps[:, inside].min() > maps[:, ~inside].max() - 1e-6
        far = np.ones((32, 32), bool)
        far[1:23, 13:] = False
        # But for rounding, which batches of other sizes have on JAX.
        assert np.abs(maps[:, far]).max() < 1e-6

    def test_a_cell_is_the_drop_in_probability(self):
        x = linear_classifier.images(1)
        model = linear_classifier.model(gain=40.0)
        covered = x.copy()
        covered[:, 8:16, 16:24] = 99
        before, after = (array(model(one)["finding"]) for one in (x, covered))
        explainer = Occlusion("finding", patch=8, fill=99)
        grids = explainer.grids(model, x)
        assert grids[0, 2, 4] == pytest.approx(
            before[0, 1] - after[0, 1], abs=1e-5
        )
        # What speaks for one of two classes speaks against the other.
        other = explainer.grids(model, x, [0])
        np.testing.assert_allclose(other, -grids, atol=1e-5)

    def test_positions_end_at_the_border(self, model):
        explainer = Occlusion("view", patch=12, stride=12)
        grids = explainer.grids(model, images(1))
        assert grids.shape == (1, 3, 3)
        assert explainer.enlarge(model, np.ones_like(grids)).min() == 1

    @pytest.mark.parametrize(
        ("options", "advice"),
        [
            ({"patch": 0}, "at least 1 pixel"),
            ({"patch": 8, "stride": 9}, "every pixel is covered"),
            ({"patch": 8, "stride": 0}, "every pixel is covered"),
            ({"patch": 33}, "Choose a smaller patch"),
        ],
    )
    def test_bad_patches(self, options, advice, model):
        with pytest.raises(UmsrepError, match=advice):
            Occlusion("view", **options)(model, images(1))
