import numpy as np
import pandas as pd
import pytest
import textures
from small_folders import CLASSES, make_evaluation, predictions

from umsrep import data
from umsrep.data.prepared import TaskSpec
from umsrep.data.storage import write_json
from umsrep.errors import UmsrepError
from umsrep.evaluation import subgroups, table_metrics
from umsrep.report import render

FINDING = TaskSpec("finding", "label", CLASSES)
LUNG = TaskSpec("lung", "mask")


class Rows:
    """As much of a data set as the columns are read from."""

    def __init__(self, **columns):
        self.name, self.folders = "toy", ()
        self.table = pd.DataFrame(columns)


def table_with_sites(images=80, worse=0.0, seed=0):
    """Predictions, and the site of each patient; Dice is worse in B."""
    table = predictions(images, seed=seed)
    sites = np.array(["A", "B"], object)[np.arange(images) // 2 % 2]
    table.loc[sites == "B", "lung_dice"] -= worse
    return table, sites


def test_each_group_has_the_metrics_of_its_rows():
    table, sites = table_with_sites(worse=0.1)
    sites[:4] = ""
    rows = subgroups.subgroup_metrics(table, [FINDING, LUNG], sites, 50)
    assert [(row["task"], row["group"]) for row in rows] == [
        ("finding", "A"),
        ("finding", "B"),
        ("lung", "A"),
        ("lung", "B"),
    ]
    of_b = table_metrics.all_metrics(table[sites == "B"], [LUNG], 50)["lung"]
    assert rows[3]["dice"] == of_b["dice"]
    assert rows[3]["dice_ci95"] == of_b["dice_ci95"]


def test_a_difference_is_found_and_none_is_not():
    table, sites = table_with_sites(worse=0.1)
    found = subgroups.difference(table, LUNG, sites)
    means = table["lung_dice"].groupby(sites).mean()
    assert found["range"] == pytest.approx(means["A"] - means["B"])
    assert found["groups"] == ["A", "B"]
    assert found["p"] < 0.01
    small = 0
    for seed in range(20):
        table, sites = table_with_sites(40, seed=seed)
        small += subgroups.difference(table, LUNG, sites)["p"] < 0.05
    # 5 and more of 20 have a probability below 0.3 %.
    assert small <= 4


def test_patients_with_several_values_move_as_they_are():
    code = np.array([0, 1, 0, 1, 1, 1])
    moved = subgroups._exchanged(code, np.array(list("aabbcc")), 0)
    pairs = {tuple(pair) for row in moved for pair in row.reshape(-1, 2)}
    assert pairs == {(0, 1), (1, 1)}
    assert (np.sort(moved, axis=1) == np.sort(code)).all()


def test_small_groups_are_shown_and_not_tested():
    table, sites = table_with_sites()
    sites[sites == "B"] = "A"
    sites[:4] = "B"
    assert subgroups.difference(table, LUNG, sites) is None
    rows = subgroups.subgroup_metrics(table, [LUNG], sites, 0)
    assert [row["images"] for row in rows] == [76, 4]


def test_numbers_are_cut_into_quarters():
    ages = [str(n) for n in range(40)]
    ages[3] = ""
    groups = subgroups.groups_of(Rows(image=ages, age=ages), "age")
    assert groups[3] == ""
    values, counts = np.unique(groups, return_counts=True)
    assert len(values) == 5
    assert counts.max() <= 10


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("sex", "no column 'sex'.*Choose one of name.*prepare the data"),
        ("image", "no column 'image'"),
        ("name", "40 different values.*put its values into groups"),
    ],
)
def test_a_column_that_divides_nothing(column, message):
    names = [f"x{n}" for n in range(40)]
    with pytest.raises(UmsrepError, match=message):
        subgroups.groups_of(Rows(image=names, name=names), column)


def test_columns_of_the_source_files_divide_too(tmp_path):
    rows = ((f"i{n}", textures.texture(n), f"p{n}", "", "no") for n in range(3))
    whole = data.load(textures.write_set(tmp_path / "set", rows))
    assert set(subgroups.groups_of(whole, "format")) == {"PNG"}
    assert set(subgroups.groups_of(whole, "finding")) == {"no"}


def test_the_report_shows_them(tmp_path):
    folder = make_evaluation(tmp_path / "joint")
    table = pd.read_csv(folder / "predictions.csv")
    sites = np.where(np.arange(len(table)) // 2 % 2, "north", "south")
    dataset = Rows(image=table["image"], site=sites)
    found = subgroups.audit_columns(
        table, [FINDING, LUNG], dataset, ["site"], bootstrap=50
    )
    assert all(test["p"] <= test["p_holm"] <= 1 for test in found["tests"])
    frame = subgroups.to_frame(found)
    assert set(frame["group"]) == {"north", "south"}
    assert {"dice", "accuracy"} <= set(frame["metric"])
    write_json(folder / "subgroups.json", found)
    page = render([folder])
    assert "Subgroups: joint" in page
    assert "lung by site: dice differs by up to" in page
