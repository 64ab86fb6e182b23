"""`prepare folder --config`: a folder and a table with names of their own."""

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from data_prep._folder_contents import read_folder
from data_prep.folder import convert
from umsrep import data
from umsrep.cli.main import app
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError
from umsrep.phantoms import write_echo

TABLE = (
    "File;Case;Grade;Flow;Remark\n"
    "s1.png;A;poor;MV;first\n"
    "s2.png;A;fine;TR;\n"
    "s3.png;B;;MA;late\n"
    "s4.png;C;fine;TR;\n"
)
CONFIG = {
    "name": "clinic",
    "modality": "Doppler echocardiography",
    "images": "strips",
    "table": "reading.csv",
    "columns": {"image": "File", "patient": "Case"},
    "labels": {
        "flow": {"column": "Flow"},
        "quality": {"column": "Grade", "classes": ["poor", "fine"]},
        "tr_mv": {
            "column": "Flow",
            "classes": ["MV", "TR"],
            "others": "unlabelled",
        },
    },
    "masks": {"envelope": "contours"},
}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "echo lab"
    rng = np.random.default_rng(0)
    for below in ("strips", "contours", "masks/old"):
        (folder / below).mkdir(parents=True)
    for number in range(1, 5):
        grey = rng.integers(0, 255, (40, 50), np.uint8)
        Image.fromarray(grey).save(folder / f"strips/s{number}.png")
    mask = np.zeros((40, 50), np.uint8)
    mask[10:20, 10:30] = 255
    Image.fromarray(mask).save(folder / "contours/s1.png")
    (folder / "reading.csv").write_text(TABLE)
    return folder


def prepare(source, config, **changes):
    """The prepared data set of a description with changes; None removes."""
    config = {k: v for k, v in {**config, **changes}.items() if v is not None}
    file = source / "tasks.yaml"
    file.write_text(yaml.safe_dump(config))
    out = source.parent / "prepared"
    return convert(source, out, size=32, config=file), data.load(out)


def test_names_of_their_own(source):
    header, found = prepare(source, CONFIG)
    assert found.name == "clinic"
    assert header["modality"] == "Doppler echocardiography"
    assert list(found.tasks) == ["envelope", "flow", "quality", "tr_mv"]
    assert found.task("quality").classes == ("poor", "fine")
    assert list(found.table["patient"]) == ["A", "A", "B", "C"]
    assert list(found.table["quality"]) == ["poor", "fine", "", "fine"]
    # The folder masks/ is there, but not in the description.
    assert list(found.labelled("envelope")) == [True, False, False, False]
    assert verify(source.parent / "prepared") == []


def test_one_column_serves_several_tasks(source):
    _, found = prepare(source, CONFIG)
    assert list(found.table["flow"]) == ["MV", "TR", "MA", "TR"]
    assert list(found.table["tr_mv"]) == ["MV", "TR", "", "TR"]


def test_without_names_everything_is_as_without_a_description(source):
    (source / "strips").rename(source / "images")
    (source / "masks/old").rmdir()
    (source / "reading.csv").rename(source / "labels.csv")
    text = (source / "labels.csv").read_text()
    text = text.replace("File;Case", "image;patient").replace(";Remark", "")
    text = "\n".join(line.rsplit(";", 1)[0] for line in text.splitlines()[1:])
    header = "image;patient;Grade;Flow\n"
    (source / "labels.csv").write_text(header + text + "\n")
    plain = convert(source, source.parent / "plain", size=32)
    described, _ = prepare(source, {"masks": {}})
    for key in ("tasks", "counts", "name"):
        assert described[key] == plain[key]


def test_a_table_elsewhere(source, tmp_path):
    (source / "strips").rename(source / "images")
    table = tmp_path / "second reader.csv"
    table.write_text("image,grade\ns1,no\ns2,yes\ns3,no\n")
    convert(source, tmp_path / "out", size=32, config=table)
    found = data.load(tmp_path / "out")
    assert found.task("grade").classes == ("no", "yes")
    assert list(found.table["grade"]) == ["no", "yes", "no", ""]


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"mask": {}}, "unknown key 'mask'.*Expected name, modality"),
        (
            {"labels": {"flow": {"colum": "Flow"}}},
            "unknown key 'colum' below 'labels: flow'.*column, kind",
        ),
        ({"images": "films"}, "'images' names .*films, which does not exist"),
        (
            {"masks": {"envelope": "contours/s1.png"}},
            "'masks: envelope' names .*, a file. Expected a folder",
        ),
        (
            {"maps": {"gaze": "reading.csv"}},
            "'maps: gaze' names .*a table goes under 'fixations'",
        ),
        (
            {"fixations": {"gaze": "contours"}},
            "'fixations: gaze' names .*, a folder. Expected a table",
        ),
        ({"masks": {"envelope": "outlines"}}, "'masks: envelope' names"),
        ({"masks": {"en velope": "contours"}}, "Use letters, digits"),
        ({"masks": "contours"}, "'masks' is 'contours'.*one per line"),
        ({"name": "echo lab"}, "'echo lab' is not usable.*underscores"),
        ({"table": 7}, "'table' is 7.*quotation marks"),
        (
            {"columns": {"image": "File", "patient": "Patient"}},
            "no column 'Patient'.*Correct 'columns'",
        ),
        ({"columns": {"image": "Files"}}, "no column 'Files'; its first line"),
        (
            {"labels": {"grade": {}}},
            "task 'grade' is the column 'grade'.*Grade, Flow, Remark",
        ),
        (
            {"labels": {"quality": {"column": "Grade", "classes": ["fine"]}}},
            "at least two class names, the positive one last",
        ),
        (
            {"labels": {"q": {"column": "Grade", "classes": [True, False]}}},
            "quotation marks",
        ),
        (
            {"labels": {"tr": {"column": "Flow", "classes": ["MA", "TR"]}}},
            "line 2 has the label 'MV'.*'tr' takes one of.*others: unlabelled",
        ),
        (
            {"labels": {"flow": {"column": "Flow", "others": "unlabelled"}}},
            "beside 'classes'",
        ),
        (
            {"labels": {"flow": {"column": "Flow", "classes": ["MV", "TR"]}}},
            "line 4 has the label 'MA'",
        ),
        (
            {"labels": {"Envelope": {"column": "Flow"}}},
            "Every task needs a name of its own",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_key(
    source, changes, advice
):
    with pytest.raises(UmsrepError, match=advice):
        prepare(source, CONFIG, **changes)
    assert not (source.parent / "prepared").exists()


def test_files_that_cannot_be_a_description(source, tmp_path):
    for name, text, advice in (
        ("twice.yaml", "images: a\nimages: b\n", "there twice"),
        ("list.yaml", "- images\n", "holds no mapping"),
        ("broken.yaml", "images: [strips\n", "not a valid description"),
        ("code.yaml", "images: !!python/name:os.system\n", "not a valid"),
        ("table.xlsx", "", "expected a table of labels .*csv.* or"),
    ):
        file = tmp_path / name
        file.write_text(text)
        with pytest.raises(UmsrepError, match=advice):
            convert(source, tmp_path / "out", config=file)
    for name in ("none.yaml", "none.csv"):
        with pytest.raises(UmsrepError, match="check"):
            convert(source, tmp_path / "out", config=tmp_path / name)


def test_phantom_strips_by_the_command_line(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "prepared"
    write_echo(raw, 30, 3, 64)
    command = ["prepare", "folder", raw, out, "--size", 64, "--config"]
    command.append(raw / "tasks.yaml")
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert result.exit_code == 0, result.output
    found = data.load(out)
    assert found.task("quality").classes == ("low", "good")
    assert found.task("tr_mv").classes == ("MV", "TR")
    flows = found.table["flow"]
    for one, two in (("MV", "TR"), ("MA", "TR"), ("MA", "MV")):
        pair = found.table[f"{two}_{one}".lower()]
        assert (pair == flows.where(flows.isin([one, two]), "")).all()


def test_public_sets_have_no_config(tmp_path):
    command = ["prepare", "kermany", tmp_path, tmp_path / "out", "--config"]
    command.append(tmp_path / "tasks.yaml")
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert isinstance(result.exception, UmsrepError)
    assert "Leave the option out" in str(result.exception)


def test_warnings_name_the_files_of_the_description(source):
    (source / "pixels.csv").write_text(
        "image,axis,unit,per_pixel\ns1,y,cm/s,2\n"
    )
    table = (source / "reading.csv").read_text()
    table = table.replace("s4.png;C;fine;TR;\n", "")
    (source / "reading.csv").write_text(table)
    labels = {k: v for k, v in CONFIG["labels"].items() if k != "flow"}
    header, _ = prepare(source, CONFIG, scales="pixels.csv", labels=labels)
    warnings = " ".join(header["warnings"])
    assert "Images without a row in reading.csv: 1" in warnings
    assert "Images without a row in pixels.csv: 3" in warnings
    assert "labels.csv" not in warnings
    assert "scales.csv" not in warnings


@pytest.mark.parametrize(
    ("one", "other"), [("A", "a"), ("01", "1"), ("P 2", "P2"), ("3", "3.0")]
)
def test_patients_that_may_be_one_are_warned_of(source, one, other):
    lines = ["File;Case;Grade;Flow", f"s1.png;{one};poor;MV"]
    lines += [f"s2.png;{other};fine;TR", "s3.png;other;;MA", "s4.png;nan;;TR"]
    (source / "reading.csv").write_text("\n".join(lines))
    labels = {"quality": CONFIG["labels"]["quality"]}
    header, _ = prepare(source, CONFIG, labels=labels)
    warnings = header["warnings"]
    (warning,) = [text for text in warnings if "may be the same" in text]
    assert " and ".join(sorted((one, other))) in warning
    assert "reading.csv" in warning


def test_a_scale_of_an_image_with_two_labels_is_no_second_problem(source):
    (source / "scales.csv").write_text(
        "image,axis,unit,per_pixel\ns1,y,cm/s,2\n"
    )
    with open(source / "reading.csv", "a") as table:
        table.write("s1.png;A;fine;TR;again\n")
    contents = read_folder(source, _written(source, CONFIG))
    (problem,) = contents.problems
    assert "2 rows for s1.png" in problem[1]


def _written(source, config):
    file = source / "tasks.yaml"
    file.write_text(yaml.safe_dump(config))
    return file
