"""What a run writes down of its data."""

import hashlib
import json

import pytest

from umsrep import data, runs
from umsrep.errors import UmsrepError


def test_a_fingerprint_is_that_of_earlier_runs(prepared_folder):
    header = json.loads((prepared_folder / "dataset.json").read_text())
    text = json.dumps(
        {key: header[key] for key in ("checksums", "preprocessing")},
        sort_keys=True,
    )
    manifest = (prepared_folder / "manifest.csv").read_bytes()
    text += hashlib.sha256(manifest).hexdigest()
    found = runs.fingerprints([data.load(prepared_folder)])
    assert found == {"data 0": hashlib.sha256(text.encode()).hexdigest()}


def test_other_data_have_another_fingerprint(prepared_folder, other_folder):
    whole, other = map(data.load, (prepared_folder, other_folder))
    few, fewer = whole.subset(range(9)), whole.subset(range(8))
    found = runs.fingerprints([whole, other, few, fewer])
    assert len(set(found.values())) == 4


def test_a_data_set_knows_its_folder_whatever_becomes_of_it(
    prepared_folder, other_folder
):
    whole, other = map(data.load, (prepared_folder, other_folder))
    training, *_ = whole.split()
    for part in (training, training.with_store(whole.store)):
        assert runs.describe_data([part]) == runs.describe_data([whole])
    (described,) = runs.describe_data([whole])
    assert described["name"] == "toy"
    assert described["path"] == str(prepared_folder)
    assert described["images"] == len(whole)
    both = data.concatenate([whole, other])
    assert [f.path for f in both.folders] == [prepared_folder, other_folder]
    with pytest.raises(UmsrepError, match="Expected one prepared folder"):
        runs.describe_data([both])


def test_a_loaded_data_set_is_not_loaded_again(prepared_folder):
    whole = data.load(prepared_folder)
    assert data.load(whole) is whole
