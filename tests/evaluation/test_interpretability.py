import linear_classifier
import numpy as np
import pytest
from tensors import array

from umsrep import evaluation
from umsrep.data.frame import Frame
from umsrep.derived import CAM, GradCAM
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead
from umsrep.model import MultiTaskModel

MASKS = {"high": "blob"}


@pytest.fixture
def model():
    # Looks at one square, for class 1 ("high") at its bright pixels.
    return linear_classifier.model(gain=40.0, name="level")


def test_rows_are_the_labelled_images_with_a_mask(model, dataset):
    table = evaluation.interpretability_table(
        model, dataset, CAM("level"), "blob"
    )
    wanted = dataset.labelled("level") & dataset.labelled("blob")
    assert table["image"].tolist() == dataset.table["image"][wanted].tolist()
    assert table["class"].tolist() == dataset.table["level"][wanted].tolist()
    assert (table["explained"] == table["class"]).all()
    x = dataset.images[wanted].astype("float32")
    winner = array(model(x)["level"]).argmax(-1)
    names = np.array(["low", "high"])[winner]
    assert table["predicted"].tolist() == names.tolist()


def test_metrics_follow_from_what_the_model_looks_at(model, dataset):
    table = evaluation.interpretability_table(
        model, dataset, CAM("level"), MASKS
    )
    assert set(table["class"]) == {"high"}
    names = dataset.table["image"].tolist()
    for _, row in table.iterrows():
        index = names.index(row["image"])
        mask = dataset.mask("blob", index).astype(bool)
        seen = np.full((32, 32), -1.0)
        seen[linear_classifier.SQUARE] = dataset.image(index)[
            linear_classifier.SQUARE
        ]
        # Omega = gain * grey + bias, whose positive part is the map.
        omega = 40 * np.maximum(seen, 0) / 255 - 40 * 64 / 1024 / 2
        energy = np.maximum(omega, 0)
        assert row["energy_in_mask"] == pytest.approx(
            energy[mask].sum() / energy.sum(), abs=1e-4
        )
        hits = mask[seen == seen.max()].mean()
        assert row["peak_in_mask"] == pytest.approx(hits)
        assert row["pointing_game"] == pytest.approx(hits)
        assert row["peak_near_mask"] >= row["peak_in_mask"]
        # Cells are pixels here, so strict and lenient agree, by chance too.
        assert row["pointing_game_chance"] == pytest.approx(mask.mean())
        assert row["peak_in_mask_chance"] == pytest.approx(mask.mean())
        assert row["mask_share"] == mask.mean()


class Fixed(CAM):
    """The same map for every image, on cells of its own."""

    def feature_of(self, model):
        return None

    def grids(self, model, images, classes=None):
        ramp = np.linspace(-1, 1, 64, dtype="float32").reshape(8, 8)
        return np.repeat(ramp[None], len(images), axis=0)


def test_a_fixed_map_is_not_better_than_the_mean_map(model, dataset):
    table = evaluation.interpretability_table(
        model, dataset, Fixed("level"), "blob"
    )
    for metric in (
        "peak_in_mask",
        "peak_near_mask",
        "pointing_game",
        "energy_in_mask",
    ):
        np.testing.assert_allclose(
            table[f"{metric}_mean_map"], table[metric], rtol=1e-5
        )


def test_padding_is_cut_off_from_maps_and_chance(model, dataset):
    padded = dataset.subset(
        dataset.labelled("level") & dataset.labelled("blob")
    )
    # The middle of each image counts, as if it were all of its picture.
    frame = Frame((64, 32), (32, 32), "pad")
    assert frame.content == (slice(0, 32), slice(8, 24))
    inside = [padded.mask("blob", n)[frame.content] for n in range(len(padded))]
    padded.table["source_frame"] = [frame] * len(padded)
    table = evaluation.interpretability_table(
        model, padded, Fixed("level"), "blob"
    )
    shares = [mask.mean() for mask in inside]
    np.testing.assert_allclose(table["mask_share"], shares)

    # Those of the bars are brighter, but nobody would look there.
    class Bars(Fixed):
        def grids(self, model, images, classes=None):
            ramp = super().grids(model, images, classes).copy()
            ramp[:, :, :2] = ramp[:, :, 6:] = 9
            return ramp

    brighter = evaluation.interpretability_table(
        model, padded, Bars("level"), "blob"
    )
    for metric in ("peak_in_mask", "pointing_game"):
        for kind in ("", "_mean_map", "_chance"):
            np.testing.assert_allclose(
                brighter[f"{metric}{kind}"], table[f"{metric}{kind}"]
            )


def test_a_map_that_follows_the_image_is_better_than_the_mean_map(
    model, dataset
):
    outlined = dataset.subset(
        dataset.labelled("level") & dataset.labelled("blob")
    )

    class Follows(CAM):
        done = 0

        def grids(self, model, images, classes=None):
            first = self.done
            self.done += len(images)
            numbers = range(first, self.done)
            return np.stack(
                [outlined.mask("blob", n).astype("float32") for n in numbers]
            )

    table = evaluation.interpretability_table(
        model, outlined, Follows("level"), "blob"
    )
    assert (table["peak_in_mask"] == 1).all()
    assert (table["energy_in_mask"] == 1).all()
    assert (table["energy_in_mask_mean_map"] < 0.9).all()
    # By hand, of one image: other patients of its class.
    others = table[
        (table["class"] == table["class"][0])
        & (table["patient"] != table["patient"][0])
    ].index
    mean = np.mean([outlined.mask("blob", n) for n in others], axis=0)
    inside = outlined.mask("blob", 0).astype(bool)
    assert table["energy_in_mask_mean_map"][0] == pytest.approx(
        mean[inside].sum() / mean.sum(), abs=1e-5
    )
    assert table["peak_in_mask_mean_map"][0] == pytest.approx(
        inside[mean == mean.max()].mean()
    )


def test_of_one_patient_alone_the_mean_map_says_nothing(model, dataset):
    both = dataset.labelled("level") & dataset.labelled("blob")
    alone = dataset.subset(np.flatnonzero(both)[:1])
    (row,) = evaluation.interpretability_table(
        model, alone, CAM("level"), "blob"
    ).to_dict("records")
    for metric in ("peak_in_mask", "pointing_game"):
        assert row[f"{metric}_mean_map"] == row[f"{metric}_chance"]
    assert row["energy_in_mask_mean_map"] == row["mask_share"]


def test_predicted_class_keeps_the_rows(model, dataset):
    tables = [
        evaluation.interpretability_table(
            model, dataset, GradCAM("level"), "blob", explain=explain
        )
        for explain in ("true", "predicted")
    ]
    assert tables[0]["image"].tolist() == tables[1]["image"].tolist()
    assert (tables[1]["explained"] == tables[1]["predicted"]).all()
    assert (tables[0]["explained"] != tables[1]["explained"]).any()


def test_empty_masks_are_left_out(model, dataset):
    class Emptied:
        def __init__(self, store):
            self.size, self.image, self.store = store.size, store.image, store

        def picture(self, task, row):
            found = self.store.picture(task, row)
            return 0 * found if row == 1 else found

    changed = dataset.with_store(Emptied(dataset.store))
    whole, fewer = (
        evaluation.interpretability_table(model, one, CAM("level"), "blob")
        for one in (dataset, changed)
    )
    gone = dataset.table["image"][1]
    assert set(whole["image"]) - set(fewer["image"]) == {gone}


def test_summary_is_by_class_and_patient(model, dataset):
    table = evaluation.interpretability_table(
        model, dataset, CAM("level"), "blob"
    )
    rows = evaluation.interpretability_summary(table, 300)
    assert rows["class"].unique().tolist() == [
        "all",
        *dict.fromkeys(table["class"]),
    ]
    rows = rows.set_index(["class", "metric"])
    for label in ("all", "low", "high"):
        part = table if label == "all" else table[table["class"] == label]
        row = rows.loc[(label, "energy_in_mask")]
        assert row["value"] == pytest.approx(part["energy_in_mask"].mean())
        assert row["images"] == len(part)
        assert row["patients"] == part["patient"].nunique()
        assert row["low"] < row["value"] < row["high"]
    one = table[table["patient"] == table["patient"][0]]
    alone = evaluation.interpretability_summary(one, 50)
    assert alone[["low", "high"]].isna().all(axis=None)
    with pytest.raises(UmsrepError, match="not its summary"):
        evaluation.interpretability_summary(rows.reset_index())


@pytest.mark.parametrize(
    ("masks", "explain", "advice"),
    [
        ("blob", "both", "choose 'true' or 'predicted'"),
        ("level", "true", "not a mask task .* Choose one that is"),
        ({"ill": "blob"}, "true", "Use their names"),
        ({"low": "heart"}, "true", "Its tasks: blob, level"),
    ],
)
def test_bad_arguments(model, dataset, masks, explain, advice):
    with pytest.raises(UmsrepError, match=advice):
        evaluation.interpretability_table(
            model, dataset, CAM("level"), masks, explain
        )


def test_other_classes_and_no_image_left(model, dataset):
    head = ClassificationHead(3, "level", hidden_units=0)
    three = MultiTaskModel(linear_classifier.Square(), head)
    with pytest.raises(UmsrepError, match="of the same classes"):
        evaluation.interpretability_table(three, dataset, CAM("level"), "blob")
    bare = dataset.subset(~dataset.labelled("blob"))
    with pytest.raises(UmsrepError, match="prepare the masks"):
        evaluation.interpretability_table(model, bare, CAM("level"), "blob")
