"""Several models' metrics in one table."""

import pandas as pd
import pytest

from umsrep import evaluation
from umsrep.errors import UmsrepError

COLUMNS = ["task", "metric", "value", "low", "high"]


def frame(rows, columns=COLUMNS):
    return pd.DataFrame(rows, columns=columns)


def test_each_cell_has_its_interval():
    first = frame(
        [
            ("lung", "dice", 0.914, 0.9, 0.926),
            ("lung", "iou", 0.8, None, None),
            ("finding", "auc", 0.8, 0.704, 0.9),
        ]
    )
    second = frame([("finding", "auc", 0.75, None, None)])
    table = evaluation.side_by_side(
        {"joint": first, "alone": second}, ["auc", "dice"]
    )
    assert list(table.index) == [("lung", "dice"), ("finding", "auc")]
    assert table.loc[("lung", "dice"), "joint"] == "0.91 (0.90 to 0.93)"
    assert table.loc[("lung", "dice"), "alone"] == ""
    assert list(table.loc[("finding", "auc")]) == [
        "0.80 (0.70 to 0.90)",
        "0.75",
    ]


def test_rows_may_be_about_classes():
    summary = frame(
        [("pneumonia", "peak_in_mask", 1.0, 0.9, 1.0)],
        ["class", *COLUMNS[1:]],
    )
    table = evaluation.side_by_side({"CAM": summary}, ["peak_in_mask"], 1)
    assert table.index.names == ["class", "metric"]
    assert table.iloc[0, 0] == "1.0 (0.9 to 1.0)"


def test_an_unknown_metric_lists_those_there_are():
    table = frame([("lung", "dice", 0.9, None, None)])
    with pytest.raises(UmsrepError, match="Choose among dice"):
        evaluation.side_by_side({"one": table}, ["hd95"])
