"""A converter is one file and one decorator."""

import inspect

import numpy as np
import pytest
from typer.testing import CliRunner

import data_prep
from umsrep.cli.main import app
from umsrep.data.images import write_png
from umsrep.data.prepared import SourceDescription, TaskSpec
from umsrep.data.storage import read_json
from umsrep.data.writer import PreparedWriter
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


def test_a_converter_of_one_s_own_goes_through_the_commands(tmp_path):
    """What CONTRIBUTING says under "Add a data set", to the training."""

    @data_prep.register("toy-set")
    def convert(source, out, progress=None, **options):
        tasks = [TaskSpec("tone", "label", ("dark", "bright"))]
        about = SourceDescription("Toy", "none", "none", "none", "toy")
        files = sorted(source.glob("*.png"))
        with PreparedWriter(out, "toy", tasks, about, **options) as writer:
            for number, file in enumerate(files):
                tone = file.stem.split("-")[1]
                writer.add(
                    file.stem, file, f"p{number}", targets={"tone": tone}
                )
                progress(number + 1, len(files))
        return writer.header

    try:
        rng = np.random.default_rng(0)
        raw, prepared, run = (tmp_path / n for n in ("raw", "prepared", "run"))
        raw.mkdir()
        for number in range(20):
            tone, low = [("dark", 0), ("bright", 150)][number % 2]
            pixels = rng.integers(low, low + 100, (40, 40), np.uint8)
            write_png(raw / f"{number:02}-{tone}.png", pixels)
        commands = (
            f"prepare toy-set {raw} {prepared} --size 32",
            f"verify {prepared}",
            f"finetune --data {prepared} --representation none --out {run} "
            "--epochs 1 --filters 4,6 --fractions 0.6 0.2 0.2",
            f"evaluate {run} --data {prepared} --out {tmp_path / 'results'} "
            "--bootstrap 0",
        )
        for command in commands:
            result = CliRunner().invoke(app, command.split())
            assert result.exit_code == 0, (command, result.output)
        metrics = read_json(tmp_path / "results" / "metrics.json")
        assert metrics["tone"]["images"] == 4
    finally:
        del data_prep._CONVERTERS["toy-set"]
