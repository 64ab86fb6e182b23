"""A converter is one file and one decorator."""

import inspect

import pytest

import data_prep
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.errors import UmsrepError


def test_every_file_is_a_converter_with_the_same_arguments():
    known = data_prep.converters()
    assert set(known) >= {"kermany", "montgomery", "shenzhen"}
    assert set(data_prep.files()) <= set(known)
    for convert in known.values():
        arguments = list(inspect.signature(convert).parameters)
        assert arguments[:3] == ["source", "out", "progress"]
        # What the writer takes, such as size and on_error.
        assert arguments[-1] == "options"
        module = inspect.getmodule(convert)
        assert all(isinstance(task, TaskSpec) for task in module.TASKS)
        assert isinstance(module.DESCRIPTION, SourceDescription)
        assert module.DESCRIPTION.citation
        assert module.DESCRIPTION.licence


def test_unknown_name_lists_what_exists():
    with pytest.raises(
        UmsrepError,
        match="'jsrt'. Known: egd-cxr, folder, .*shenzhen.*own, use",
    ):
        data_prep.get("jsrt")


def test_duplicate_name_is_refused():
    data_prep.converters()
    with pytest.raises(UmsrepError, match="already registered.*another name"):
        data_prep.register("shenzhen")(print)


@pytest.mark.parametrize(
    "name", ["egd-cxr", "kermany", "montgomery", "osie", "rsna", "shenzhen"]
)
def test_source_that_is_none_is_refused(tmp_path, name):
    convert = data_prep.get(name)
    with pytest.raises(UmsrepError, match="does not exist.*check the path"):
        convert(tmp_path / "none", tmp_path / "out")
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(UmsrepError, match="is a file.*unpack an archive"):
        convert(tmp_path / "set.zip", tmp_path / "out")
    with pytest.raises(UmsrepError, match="Looked for.*check the path"):
        convert(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
