"""A representation of what lies inside a mask that it predicts itself."""

import keras
import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel
from umsrep.data import Focusing
from umsrep.derived import GradCAM, Occlusion
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead, ResultHead, SegmentationHead
from umsrep.layers import Focus
from umsrep.representations import ConvAutoencoder, Focused, OwnModel

pytestmark = pytest.mark.usefixtures("float32")
SIZE = (48, 64)
# Where the organ is bright, and where in it something is brighter.
ORGAN = np.s_[12:36, 28:60]
FINDING = (19, 50)


def bright(threshold=60):
    """A mask network: what is brighter than a grey level."""
    images = keras.Input((*SIZE, 1))
    steep = keras.layers.Rescaling(1.0, -threshold)(images)
    mask = keras.layers.Activation("sigmoid")(steep)
    return keras.Model(images, {"organ": mask}, name="whole")


def brightness():
    """A representation whose cells of 4 pixels are their brightness."""
    images = keras.Input((*SIZE, 1))
    cells = keras.layers.AveragePooling2D(4, name="cells")(images)
    return OwnModel(keras.Model(images, keras.layers.ReLU()(cells)))


def scene():
    """An organ with a finding, and a mark beyond it that is as bright."""
    image = np.full((1, *SIZE, 1), 20, "float32")
    image[0, *ORGAN] = 100
    y, x = FINDING
    image[0, y - 1 : y + 2, x - 1 : x + 2] = 255
    marked = image.copy()
    # Bright and narrow, so that the opening removes it from the mask.
    marked[0, 4:6, 4:40] = 255
    return image, marked


def classifier(representation):
    """ "Bright" by the mean brightness, without training."""
    model = MultiTaskModel(
        representation,
        [
            ClassificationHead(
                2,
                "level",
                features="bottleneck",
                convolutions=(),
                hidden_units=0,
                dropout=0,
            )
        ],
    )
    kernel, bias = model.head("level").trainable_variables
    kernel.assign([[-0.01, 0.01]])
    bias.assign([0, 0])
    return model


@pytest.mark.parametrize("fill", ["blank", "mean", "crop"])
def test_what_lies_outside_changes_nothing(fill):
    image, marked = scene()
    plain = classifier(brightness())
    focused = classifier(Focused(brightness(), bright(), "organ", fill))
    seen = [array(plain(x)["level"])[0, 1] for x in (image, marked)]
    kept = [array(focused(x)["level"])[0, 1] for x in (image, marked)]
    assert seen[1] > seen[0] + 0.02
    assert kept[0] == kept[1]
    # What lies inside does.
    image[0, *ORGAN] += 20
    assert array(focused(image)["level"])[0, 1] > kept[0] + 0.01


@pytest.mark.parametrize("fill", ["blank", "mean", "crop"])
@pytest.mark.parametrize("explainer", [GradCAM, Occlusion])
def test_heat_maps_lie_in_the_whole_image(fill, explainer):
    image, _ = scene()
    model = classifier(Focused(brightness(), bright(), "organ", fill))
    if explainer is GradCAM:
        found = GradCAM("level", class_index=1)
    else:
        found = Occlusion("level", class_index=1, patch=8, stride=4, fill=20)
    (heat,) = found(model, image)
    assert heat.shape == SIZE
    peak = np.unravel_index(heat.argmax(), SIZE)
    assert np.abs(np.subtract(peak, FINDING)).max() <= 4
    # 4 % of the side around the organ, and half a cell.
    far = np.ones(SIZE, bool)
    far[12 - 4 : 36 + 4, 28 - 5 : 60 + 5] = False
    if fill != "crop" or explainer is GradCAM:
        assert not heat[far].any()
    grids = found.grids(model, image)
    assert found.cells(model, grids.shape[1:]).grid == grids.shape[1:]


def test_cells_of_an_uncropped_image_are_those_of_the_inner_one():
    inner = brightness()
    model = classifier(Focused(inner, bright(), "organ", "blank"))
    assert model.cells("bottleneck") == inner.cells("bottleneck")
    assert model.representation.stride("bottleneck") == 4
    assert model.representation.stride("focus_organ") == 1


def build():
    """A whole network with mask and label, as fine-tuning makes it."""
    finder = MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 6)), [SegmentationHead("lung")]
    )
    inner = ConvAutoencoder((32, 32, 1), filters=(4, 6))
    whole = keras.Model(finder.input, dict(finder.output), name="whole")
    return finder, MultiTaskModel(
        Focused(inner, whole, "lung", "crop", margin=0.1),
        [
            ClassificationHead(2, "finding", features="bottleneck"),
            ResultHead("lung", "focus_lung"),
        ],
    )


def test_it_is_its_parts_and_survives_a_file(tmp_path):
    finder, model = build()
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (3, 32, 32, 1)).astype("float32")
    found = model.predict_on_batch(images)
    masks = finder.predict_on_batch(images)["lung"]
    np.testing.assert_allclose(found["lung"], masks, atol=1e-6)
    seen = array(Focus("crop", 0.1)(images, masks))
    part = MultiTaskModel(
        model.representation.inner, [model.head("finding")]
    ).predict_on_batch(seen)
    np.testing.assert_allclose(found["finding"], part["finding"], atol=1e-5)

    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert copy.tasks == model.tasks
    assert copy.representation.task == "lung"
    assert copy.representation.focus.focusing == Focusing("crop", 0.1)
    for task, values in copy.predict_on_batch(images).items():
        np.testing.assert_allclose(values, found[task], atol=1e-6)
    # A view computes the mask although it is none of its tasks.
    view = copy.view("finding").predict_on_batch(images)
    np.testing.assert_allclose(view["finding"], found["finding"], atol=1e-6)


def test_parts_that_do_not_fit():
    inner = ConvAutoencoder((32, 32, 1), filters=(4, 6))
    with pytest.raises(UmsrepError, match="predicts organ. Name one"):
        Focused(inner, bright(), "lung")
    with pytest.raises(UmsrepError, match=r"\(48, 64, 1\).*train both on"):
        Focused(inner, bright(), "organ")
