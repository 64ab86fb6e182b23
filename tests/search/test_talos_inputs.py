"""Talos's own Scan on what `talos_inputs` gives."""

import pytest
import talos

from umsrep import search
from umsrep.errors import UmsrepError


def test_talos_scans_by_itself(toy_space, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs = search.talos_inputs(
        toy_space(space={"learning_rate": [1e-2, 1e39]})
    )
    scan = talos.Scan(
        **inputs,
        experiment_name="mine",
        save_weights=False,
        disable_progress_bar=True,
    )
    table = scan.data.set_index("learning_rate")
    assert table.loc[1e-2, "objective"] == table.loc[1e-2, "val_level_loss"]
    assert table.loc[1e-2, "objective"] > 0
    assert table["objective"].isna().to_dict() == {1e-2: False, 1e39: True}


def test_talos_own_split_is_refused(toy_space, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    inputs = search.talos_inputs(toy_space())
    inputs.pop("x_val")
    inputs.pop("y_val")
    with pytest.raises(UmsrepError, match="Pass x, y, x_val and y_val"):
        talos.Scan(
            **inputs,
            experiment_name="mine",
            save_weights=False,
            disable_progress_bar=True,
        )
