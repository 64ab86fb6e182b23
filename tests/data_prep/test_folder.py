"""A user's own folder: layout, table, what is assumed, what is refused."""

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from data_prep._label_table import NEGATIVE, class_order
from data_prep.folder import convert, data_set_name
from umsrep import data
from umsrep.cli import prepare
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

STEMS = ("a1", "a2", "b1", "c1")
TABLE = """image,patient,split,finding
a1.png,A,train,no finding
a2,A,train,effusion
b1.png,B,validation,no finding
c1,C,test,effusion
"""


def own(layout, table=TABLE, masks=STEMS):
    """Four images of three patients, lung masks and a table."""
    for stem in STEMS:
        layout.image(f"images/{stem}.png")
    for stem in masks:
        layout.mask(f"masks/lung/{stem}.png")
    if table is not None:
        write_table(layout, table)
    return layout.folder


def write_table(layout, table, encoding="utf-8"):
    layout.folder.mkdir(exist_ok=True)
    (layout.folder / "labels.csv").write_bytes(table.encode(encoding))


def manifest(out):
    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    return table.set_index("image")


def errors(out):
    return [f for f in verify(out) if f.severity == "error"]


def replaced(old, new):
    assert old in TABLE
    return TABLE.replace(old, new)


def fails(layout, out, match, on_error="stop"):
    with pytest.raises(UmsrepError, match=match):
        convert(layout.folder, out, size=32, on_error=on_error)
    assert not out.exists()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_folder_becomes_a_data_set_that_loads(layout, out, read_stored):
    header = convert(own(layout), out, size=(48, 40))
    assert errors(out) == []
    assert header["name"] == "public"
    assert header["warnings"] == []
    assert header["tasks"] == {
        "lung": {"kind": "mask"},
        "finding": {"kind": "label", "classes": ["no finding", "effusion"]},
    }
    table = manifest(out)
    assert table["patient"].tolist() == ["A", "A", "B", "C"]
    assert table["split"].tolist() == ["train", "train", "validation", "test"]
    dataset = data.load(out)
    assert dataset.labels("finding").tolist() == [0, 1, 0, 1]
    for stem in STEMS:
        for stored, raw in (
            (f"images/{stem}.png", f"images/{stem}.png"),
            (f"masks/lung/{stem}.png", f"masks/lung/{stem}.png"),
        ):
            np.testing.assert_array_equal(
                read_stored(out, stored),
                np.array(Image.open(layout.folder / raw)),
            )


@pytest.mark.parametrize(
    "table",
    [
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        TABLE.replace("\n", "\r\n"),
        "\ufeff" + TABLE,
        TABLE.replace("image,patient", "Image, Patient"),
        TABLE.replace("a1.png", "images/a1.png"),
        TABLE.replace("a1.png", '" A1.PNG"'),
        TABLE + ",,,\n\n",
        TABLE.replace("\n", ",\n"),
    ],
    ids=[
        "semicolons",
        "tabs",
        "windows",
        "byte-order-mark",
        "capitals",
        "path",
        "case",
        "empty-rows",
        "empty-column",
    ],
)
def test_tables_as_spreadsheets_write_them(layout, out, table):
    convert(own(layout), out, size=32)
    write_table(layout, table)
    again = out.parent / "again"
    convert(layout.folder, again, size=32)
    pd.testing.assert_frame_equal(manifest(out), manifest(again))


def test_formats_and_subfolders_as_long_as_names_differ(layout, out):
    own(layout, masks=())
    layout.image("images/ward/x.tif")
    layout.image("images/ward/y.bmp")
    layout.image("images/z.jpeg", "RGB")
    layout.mask("masks/heart/ward/x.png")
    write_table(layout, TABLE + "ward/x.tif,X,train,\nward\\y,Y,train,\n")
    header = convert(layout.folder, out, size=32)
    table = manifest(out)
    assert header["counts"]["images"] == 7
    assert table["patient"]["images/x.png"] == "X"
    assert table["patient"]["images/y.png"] == "Y"
    assert table["heart"]["images/x.png"] == "masks/heart/x.png"
    assert errors(out) == []


def test_what_is_missing_is_unlabelled(layout, out):
    own(layout, replaced("a2,A,train,effusion", "a2,A,train,"), ("a1", "b1"))
    layout.image("images/extra.png")
    header = convert(layout.folder, out, size=32)
    table = manifest(out)
    assert (table["lung"] != "").tolist() == [True, False, True, False, False]
    assert (table["finding"] != "").tolist() == [True, False, True, True, False]
    unlisted, unlabelled = header["warnings"]
    assert "without a row in labels.csv: 1" in unlisted
    assert "add their rows" in unlisted
    assert "without label, mask and map: 2" in unlabelled


def test_unlisted_image_shares_no_patient_with_the_table(layout, out):
    own(layout, replaced("a1.png,A", "a1.png,extra"))
    layout.image("images/extra.png")
    convert(layout.folder, out, size=32)
    patients = manifest(out)["patient"]
    assert patients["images/extra.png"] != patients["images/a1.png"]


@pytest.mark.parametrize(
    "table", [None, "image,finding\na1,0\na2,1\nb1,0\nc1,1\n"]
)
def test_without_patients_every_image_is_one_and_a_warning_says_so(
    layout, out, table
):
    header = convert(own(layout, table), out, size=32)
    assert header["counts"]["patients"] == len(STEMS)
    (warning,) = header["warnings"]
    assert "a patient of its own" in warning
    assert "better than they are" in warning
    assert "add the column 'patient'" in warning


def test_command_line_prints_classes_and_warnings(layout, out):
    own(layout, "image,finding\na1,sick\na2,healthy\nb1,sick\nc1,healthy\n")
    layout.mask("mask/a1.png")
    app = typer.Typer()
    prepare.add_to(app)
    result = CliRunner().invoke(
        app, ["folder", str(layout.folder), str(out), "--size", "32"]
    )
    assert result.exit_code == 0, result.output
    assert "finding: 4 labelled (2 healthy, 2 sick); positive: sick." in (
        result.output
    )
    assert "Warning: Not read: mask." in result.output
    assert "Warning: There is no column 'patient'" in result.output


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["10", "9", "2"], ("2", "9", "10")),
        (["1", "0"], ("0", "1")),
        (["1.0", "-1.0"], ("-1.0", "1.0")),
        (["abnormal", "Normal"], ("Normal", "abnormal")),
        (["edema", "no_edema"], ("no_edema", "edema")),
        (["COPD", "non-COPD"], ("non-COPD", "COPD")),
        (["benign", "normal", "malignant"], ("normal", "benign", "malignant")),
        (["viral", "Bacterial"], ("Bacterial", "viral")),
        (["nodule", "effusion"], ("effusion", "nodule")),
        (["nan", "1", "0"], ("0", "1", "nan")),
    ],
)
def test_positive_class_is_last(names, order):
    assert class_order(names) == order
    assert class_order(names[::-1]) == order


@pytest.mark.parametrize("word", NEGATIVE)
def test_every_negative_word_goes_before_its_positive(word):
    for positive in ("affected", "1x", "zoster"):
        assert class_order([positive, word]) == (word, positive)


def test_unknown_pair_of_classes_is_pointed_out(layout, out):
    table = TABLE.replace("no finding", "viral").replace(
        "effusion", "bacterial"
    )
    (warning,) = convert(own(layout, table), out, size=32)["warnings"]
    assert "'viral', the last by alphabet, is taken as" in warning
    assert "use 0 and 1" in warning


@pytest.mark.parametrize("word", ["nan", "NA", "unknown"])
def test_only_an_empty_cell_is_unlabelled(layout, out, word):
    table = replaced("c1,C,test,effusion", f"c1,C,test,{word}")
    header = convert(own(layout, table), out, size=32)
    assert word in header["tasks"]["finding"]["classes"]
    (warning,) = header["warnings"]
    assert f"has a class '{word}' (1 images)" in warning
    assert "empty the cells" in warning


def test_column_of_one_class_is_left_out_with_a_warning(layout, out):
    table = TABLE.replace("no finding", "effusion")
    header = convert(own(layout, table), out, size=32)
    assert list(header["tasks"]) == ["lung"]
    assert "only the class 'effusion': left out" in header["warnings"][0]


def test_images_alone_are_prepared_with_a_warning(layout, out):
    header = convert(own(layout, None, masks=()), out, size=32)
    assert header["tasks"] == {}
    assert header["counts"]["images"] == len(STEMS)
    assert any("umsrep pretrain" in text for text in header["warnings"])


def test_folder_of_images_alone_needs_no_layout(layout, out):
    for stem in STEMS:
        layout.image(f"{stem}.png")
    layout.image("more/d1.png")
    convert(layout.folder, out, size=32)
    table = manifest(out)
    found = {name.split("/")[-1].split(".")[0] for name in table.index}
    assert found == {*STEMS, "d1"}
    dataset = data.load(out)
    assert len(dataset.tasks) == 0
    assert not errors(out)
    # What is there to be learnt from them are pictures.
    images, _, _ = dataset.batches(2, tasks=())[0]
    assert images.shape == (2, 32, 32, 1)


def test_images_beside_a_layout_are_not_taken_for_all(layout, out):
    for stem in STEMS:
        layout.image(f"{stem}.png")
        layout.mask(f"masks/lung/{stem}.png")
    fails(layout, out, "move the images into")


def test_folder_without_images_is_refused(layout, out):
    fails(layout, out, "does not exist.*check the path")
    layout.image("Images/a1.png")
    fails(layout, out, "no folder 'images'; it holds Images/.*move the images")
    layout.text("images/readme.md")
    fails(layout, out, "holds no image.*put the images there")


def test_prepared_data_set_is_refused(layout, out):
    convert(own(layout), out, size=32)
    with pytest.raises(UmsrepError, match="already a prepared.*as it is"):
        convert(out, out.parent / "again", size=32)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ("", "no column 'image'.*rename the column"),
        (replaced("image", "file"), "first line is 'file,.*rename the column"),
        (replaced("split", "finding"), "2 columns named 'finding'.*rename or"),
        (replaced("patient", "Patient ID"), "'Patient ID'.*Rename it 'pat"),
        (replaced("A,train,n", "A,B,train,n"), "line 2 has 5 cells.*quotation"),
        (replaced(",validation,", ","), "line 4 has 3 cells.*quotation"),
        (replaced("no finding", '"no" finding'), "line 2:.*quotation marks"),
        (replaced("a2,", ","), "line 3 names no image.*fill it in"),
        (replaced(",validation", ",val"), "split 'val'.*validation.*correct"),
        (
            replaced("finding\n", "lung\n"),
            "masks/lung and the column 'lung'.*rename one",
        ),
        (replaced("finding\n", "source\n"), "'source' is a fixed.*Rename the"),
        (replaced("finding\n", "my task\n"), "labels.csv.*'my task'.*Rename"),
        (replaced(",finding\n", ",\n"), "'no finding' in a column without a"),
        (replaced("C,test,eff", "C,test,Eff"), "'effusion' and 'Eff.*the same"),
        (
            "image,v\na1,1\na2,1.0\nb1,0\nc1,0\n",
            "'1' and '1.0'.*make them the same",
        ),
        ("image,age\na1,61\na2,7\nb1,70\nc1,33\n", "4 different.*free text"),
    ],
)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_table_that_cannot_be_understood_stops(
    layout, out, table, match, on_error
):
    own(layout, table)
    fails(layout, out, match, on_error)


def test_column_of_numbers_is_no_task(layout, out):
    rows = ["image,patient,age"]
    for number in range(44):
        layout.image(f"images/{number}.png")
        rows.append(f"{number},p{number},{20 + number // 2}")
    write_table(layout, "\n".join(rows))
    fails(layout, out, "'age' holds 22 different.*at most 20.*group its")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_refused(layout, out, encoding):
    own(layout, None)
    write_table(layout, replaced("effusion", "Pleuraerguß"), encoding)
    fails(layout, out, "not UTF-8 text.*type 'CSV UTF-8'")


@pytest.mark.parametrize(
    ("make", "match", "skipped", "images"),
    [
        (
            lambda put: write_table(put, TABLE + "d1.png,D,,effusion\n"),
            "line 6: there is no image 'd1.png'.*correct it",
            ["public/labels.csv"],
            4,
        ),
        (
            lambda put: write_table(put, TABLE + "a1,A,,effusion\n"),
            r"2 rows for a1.png \(lines 2 and 6\).*keep the right one",
            ["images/a1.png"],
            3,
        ),
        (
            lambda put: put.image("images/ward/A1.bmp"),
            "same name as .*rename or remove one",
            ["images/a1.png", "ward/A1.bmp"],
            3,
        ),
        (
            lambda put: put.text("images/scan.nii"),
            "scan.nii is not named as an image.*move it away",
            ["images/scan.nii"],
            4,
        ),
        (
            lambda put: put.mask("masks/lung/a1_mask.png"),
            "mask without an image.*rename it",
            ["lung/a1_mask.png"],
            4,
        ),
        (
            lambda put: put.mask("masks/lung/more/c1.png"),
            "same name as .*rename or remove one",
            ["lung/c1.png", "more/c1.png"],
            4,
        ),
        (
            lambda put: write_table(put, replaced("b1.png,B", "b1.png,")),
            "b1.png has no patient.*Give a key",
            ["images/b1.png"],
            3,
        ),
        (
            lambda put: put.write(
                "masks/lung/b1.png", np.zeros((9, 9), np.uint8)
            ),
            "b1.png is 9 x 9 pixels.*matching file",
            ["images/b1.png"],
            3,
        ),
        (
            lambda put: (put.folder / "images/b1.png").write_bytes(b"%PDF-1.7"),
            "a PDF document.*leave it out",
            ["images/b1.png"],
            3,
        ),
    ],
    ids=[
        "row-without-image",
        "repeated-row",
        "repeated-name",
        "not-an-image",
        "mask-without-image",
        "repeated-mask",
        "no-patient",
        "mask-size",
        "pdf",
    ],
)
def test_bad_file_or_row_stops_or_is_counted(
    layout, out, make, match, skipped, images
):
    own(layout)
    make(layout)
    fails(layout, out, match)
    header = convert(layout.folder, out, size=32, on_error="skip")
    assert sorted(s["file"] for s in header["skipped"]) == skipped
    assert header["counts"]["images"] == images
    assert errors(out) == []
    assert str(layout.folder.parent) not in (out / "dataset.json").read_text()


def test_first_of_several_problems_says_how_many(layout, out):
    own(layout, TABLE + "d1,D,,\nd2,D,,\nd3,D,,\n")
    fails(layout, out, "'d1'.*Problems in all: 3; --on-error skip")


def test_mask_folders_must_be_task_names(layout, out):
    own(layout)
    path = layout.mask("masks/a1.png")
    fails(layout, out, "directly in 'masks'.*move the masks there")
    path.unlink()
    layout.mask("masks/left lung/a1.png")
    fails(layout, out, "masks/left lung: .*Rename the folder")


def test_other_tables_and_folders_are_pointed_out(layout, out):
    own(layout)
    layout.text("Labels.xlsx")
    layout.image("image/a1.png")
    layout.text("notes.txt")
    (warning,) = convert(layout.folder, out, size=32)["warnings"]
    assert "Not read: Labels.xlsx, image." in warning


def test_progress_and_name(layout, out, tmp_path, monkeypatch):
    calls = []
    convert(
        own(layout), out, size=32, progress=lambda *call: calls.append(call)
    )
    assert calls == [(n, 4) for n in range(1, 5)]
    monkeypatch.chdir(layout.folder)
    assert data_set_name(".") == "public"
    assert data_set_name(tmp_path / "St. Anna (2024)") == "St_Anna_2024"
