"""A prepared folder is whole, says what it holds, or is not there."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from umsrep.data.prepared import (
    SourceDescription,
    TaskSpec,
    read_header,
    tasks_of,
)
from umsrep.data.storage import sha256
from umsrep.data.writer import PreparedWriter
from umsrep.errors import UmsrepError

TASKS = (
    TaskSpec("lung", "mask"),
    TaskSpec("finding", "label", ("normal", "nodule")),
)
ABOUT = SourceDescription(
    title="Made up",
    url="https://example.org",
    citation="Nobody, 2000",
    licence="CC0",
    modality="chest X-ray",
)


class Source:
    """A folder of small pictures to prepare."""

    def __init__(self, folder):
        self.folder = folder
        self.rng = np.random.default_rng([7])

    def image(self, name, shape=(48, 40)):
        pixels = self.rng.integers(0, 256, shape, dtype=np.uint8)
        return self.save(name, pixels)

    def mask(self, name, columns=slice(5, 20), shape=(48, 40)):
        pixels = np.zeros(shape, np.uint8)
        pixels[10:40, columns] = 255
        return self.save(name, pixels)

    def save(self, name, pixels):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
        return path


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "source")


def make_writer(out, size=32, **options):
    return PreparedWriter(out, "made-up", TASKS, ABOUT, size, **options)


def prepare_two(source, out, **options):
    with make_writer(out, **options) as writer:
        writer.add(
            "a",
            source.image("a.png"),
            patient="p1",
            split="train",
            targets={
                "finding": "normal",
                "lung": [source.mask("a_left.png")],
            },
        )
        writer.add(
            "b", source.image("b.png"), "p2", "test", {"finding": "nodule"}
        )
    return writer.header


def test_written_folder_reads_back(source, tmp_path):
    out = tmp_path / "out"
    header = prepare_two(source, out)
    assert read_header(out) == json.loads(json.dumps(header))
    assert tasks_of(read_header(out)) == {task.name: task for task in TASKS}
    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    assert table.to_dict("records") == [
        {
            "image": "images/a.png",
            "patient": "p1",
            "split": "train",
            "lung": "masks/lung/a.png",
            "finding": "normal",
            "source": "a.png;a_left.png",
        },
        {
            "image": "images/b.png",
            "patient": "p2",
            "split": "test",
            "lung": "",
            "finding": "nodule",
            "source": "b.png",
        },
    ]
    assert header["counts"] == {
        "images": 2,
        "patients": 2,
        "splits": {"test": 1, "train": 1},
        "tasks": {
            "lung": {"labelled": 1},
            "finding": {
                "labelled": 2,
                "classes": {"normal": 1, "nodule": 1},
            },
        },
    }
    files = {
        file.relative_to(out).as_posix()
        for file in out.rglob("*")
        if file.is_file()
    }
    assert files == {*header["checksums"], "dataset.json"}
    for file, checksum in header["checksums"].items():
        assert sha256(out / file) == checksum
    image = cv2.imread(str(out / "images/a.png"), cv2.IMREAD_UNCHANGED)
    assert image.shape == (32, 32)
    assert image.dtype == np.uint8
    mask = cv2.imread(str(out / "masks/lung/a.png"), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) == {0, 255}


def test_two_runs_write_the_same_bytes(source, tmp_path):
    prepare_two(source, tmp_path / "one")
    source.rng = np.random.default_rng([7])
    prepare_two(source, tmp_path / "two")
    for file in ("dataset.json", "manifest.csv", "images/a.png"):
        assert sha256(tmp_path / "one" / file) == sha256(
            tmp_path / "two" / file
        )


def test_several_masks_are_united(source, tmp_path):
    left = source.mask("left.png", slice(2, 15))
    right = source.mask("right.png", slice(25, 38))
    with make_writer(tmp_path / "out", size=(48, 40)) as writer:
        writer.add(
            "a",
            source.image("a.png"),
            "p",
            targets={
                "lung": [left, right],
            },
        )
        writer.add(
            "b",
            source.image("b.png"),
            "p",
            targets={
                "lung": left,
            },
        )
    united, one = (
        cv2.imread(str(tmp_path / f"out/masks/lung/{name}.png"), 0) > 0
        for name in "ab"
    )
    both = cv2.imread(str(left), 0) | cv2.imread(str(right), 0)
    np.testing.assert_array_equal(united, both > 0)
    np.testing.assert_array_equal(one, cv2.imread(str(left), 0) > 0)


@pytest.mark.parametrize("kind", [bool, np.uint8])
@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_mask_as_array_is_that_of_the_file(source, tmp_path, kind, fit):
    """Alone, and united with a file; an empty one stays a label."""
    left = source.mask("left.png", slice(2, 15))
    right = source.mask("right.png", slice(25, 38))
    first, second = (
        (cv2.imread(str(path), 0) > 0).astype(kind) for path in (left, right)
    )
    image = source.image("image.png")
    given = {
        "files": [left, right],
        "arrays": [first, second],
        "mixed": [left, second],
        "file": left,
        "array": first,
        "empty": np.zeros((48, 40), kind),
    }
    with make_writer(tmp_path / "out", size=(24, 24), fit=fit) as writer:
        for name, masks in given.items():
            writer.add(
                name,
                image,
                "p",
                targets={
                    "lung": masks,
                },
            )
    stored = {
        name: cv2.imread(str(tmp_path / f"out/masks/lung/{name}.png"), 0)
        for name in given
    }
    np.testing.assert_array_equal(stored["arrays"], stored["files"])
    np.testing.assert_array_equal(stored["mixed"], stored["files"])
    np.testing.assert_array_equal(stored["array"], stored["file"])
    assert (stored["file"] != stored["files"]).any()
    assert not stored["empty"].any()
    table = pd.read_csv(tmp_path / "out/manifest.csv").set_index("image")
    assert table["lung"].notna().all()
    sources = table["source"]
    assert sources["images/array.png"] == "image.png"
    assert sources["images/mixed.png"] == "image.png;left.png"


def test_no_mask_is_unlabelled(source, tmp_path):
    image = source.image("image.png")
    with make_writer(tmp_path / "out") as writer:
        for name, given in (("a", None), ("b", []), ("c", ""), ("d", ())):
            writer.add(
                name,
                image,
                "p",
                targets={
                    "lung": given,
                },
            )
    assert writer.header["counts"]["tasks"]["lung"] == {"labelled": 0}


def bad_image(source, writer):
    path = source.image("bad.png")
    path.write_bytes(path.read_bytes()[:-30])
    writer.add("bad", path, "p")


def bad_constant(source, writer):
    path = source.save("bad.png", np.full((48, 40), 3, np.uint8))
    writer.add("bad", path, "p")


def bad_nearly_constant(source, writer):
    # One dim pixel that the resizing averages away.
    pixels = np.full((480, 400), 3, np.uint8)
    pixels[7, 7] = 4
    writer.add("bad", source.save("bad.png", pixels), "p")


def bad_mask_size(source, writer):
    mask = source.mask("bad_mask.png", shape=(48, 41))
    writer.add(
        "bad",
        source.image("bad.png"),
        "p",
        targets={
            "lung": [mask],
        },
    )


def bad_mask_values(source, writer):
    mask = source.image("bad_mask.png")
    writer.add(
        "bad",
        source.image("bad.png"),
        "p",
        targets={
            "lung": [mask],
        },
    )


def bad_array_size(source, writer):
    # The transposed shape is the mistake to expect.
    mask = np.ones((40, 48), bool)
    writer.add(
        "bad",
        source.image("bad.png"),
        "p",
        targets={
            "lung": mask,
        },
    )


def bad_array_values(source, writer):
    mask = np.full((48, 40), 255, np.uint8)
    writer.add(
        "bad",
        source.image("bad.png"),
        "p",
        targets={
            "lung": mask,
        },
    )


def bad_array_type(source, writer):
    mask = np.full((48, 40), 0.5)
    writer.add(
        "bad",
        source.image("bad.png"),
        "p",
        targets={
            "lung": mask,
        },
    )


def bad_array_shape(source, writer):
    mask = np.ones((48, 40, 1), bool)
    writer.add(
        "bad",
        source.image("bad.png"),
        "p",
        targets={
            "lung": [mask],
        },
    )


def bad_label(source, writer):
    writer.add("bad", source.image("bad.png"), "p", "", {"finding": "cat"})


def bad_id(source, writer):
    writer.add("../bad", source.image("bad.png"), "p")


def bad_repeat(source, writer):
    # Differs in case only: one file on many file systems.
    writer.add("A", source.image("bad.png"), "p")


def bad_patient(source, writer):
    writer.add("bad", source.image("bad.png"), " ")


BAD = {
    bad_image: "bad.png is truncated or damaged.*again",
    bad_constant: "bad.png is constant.*leave it out",
    bad_nearly_constant: "bad.png is constant.*leave it out",
    bad_mask_size: "bad_mask.png is 41 x 48 .*is 40 x 48.*matching file",
    bad_mask_values: "bad_mask.png is not a binary mask.*threshold it",
    bad_array_size: "'lung' is 48 x 40 pixels .*is 40 x 48.*matching file",
    bad_array_values: "holds values up to 255.*pass mask > 0",
    bad_array_type: "is float64 of shape .*threshold or convert it",
    bad_array_shape: r"bool of shape \(48, 40, 1\).*Expected bool or uint8",
    bad_label: "unknown label 'cat'.*normal, nodule; correct it",
    bad_id: "image id '../bad'.*rename the file",
    bad_repeat: "same image id 'A'.*rename or remove one",
    bad_patient: "has no patient.*Give a key",
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_stops_and_leaves_nothing(source, tmp_path, bad):
    def prepare():
        with make_writer(tmp_path / "out") as writer:
            writer.add("a", source.image("a.png"), "p")
            bad(source, writer)

    with pytest.raises(UmsrepError, match=BAD[bad]):
        prepare()
    assert {path.name for path in tmp_path.iterdir()} == {"source"}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_is_skipped_and_counted_on_request(source, tmp_path, bad):
    out = tmp_path / "out"
    with make_writer(out, on_error="skip") as writer:
        writer.add("a", source.image("a.png"), "p")
        bad(source, writer)
        writer.add("c", source.image("c.png"), "p")
    header = read_header(out)
    assert header["counts"]["images"] == 2
    (skipped,) = header["skipped"]
    assert skipped["file"] == "source/bad.png"
    assert str(tmp_path) not in skipped["reason"]
    assert {file.name for file in (out / "images").iterdir()} == {
        "a.png",
        "c.png",
    }
    assert not (out / "masks").exists()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"targets": {"heart": ["x.png"]}}, "no task 'heart'.*lung"),
        ({"split": "val"}, "Split 'val'.*train, validation, test"),
    ],
)
def test_mistakes_of_the_caller_are_never_skipped(
    source, tmp_path, argument, message
):
    with (
        pytest.raises(UmsrepError, match=message),
        make_writer(tmp_path / "out", on_error="skip") as writer,
    ):
        writer.add("a", source.image("a.png"), "p", **argument)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "whole pixels from 8"),
        ({"size": 25.5}, "whole pixels from 8"),
        ({"on_error": "ignore"}, "on_error is 'ignore'. Use one of stop, skip"),
        ({"sixteen_bit": "x"}, "Use one of refuse, rescale"),
    ],
)
def test_unknown_options_are_refused(tmp_path, options, message):
    with pytest.raises(UmsrepError, match=message):
        make_writer(tmp_path / "out", **options)


def test_two_tasks_of_one_name_are_refused(tmp_path):
    with pytest.raises(UmsrepError, match="each task its own name"):
        PreparedWriter(tmp_path, "x", [TASKS[0], TASKS[0]], ABOUT)


def test_no_image_at_all_is_an_error(source, tmp_path):
    path = source.image("empty.png")
    path.write_bytes(b"")
    with (
        pytest.raises(
            UmsrepError, match="No image.*1 skipped.*is empty.*Check the source"
        ),
        make_writer(tmp_path / "out", on_error="skip") as writer,
    ):
        writer.add("a", path, "p")
    assert not (tmp_path / "out").exists()


def test_one_class_only_is_a_recorded_warning(source, tmp_path):
    with make_writer(tmp_path / "out") as writer:
        writer.add("a", source.image("a.png"), "p", "", {"finding": "normal"})
    warnings = read_header(tmp_path / "out")["warnings"]
    assert warnings == [
        "Task 'lung' has no labelled image.",
        "Task 'finding' has no image of class nodule; it cannot be trained "
        "on this set alone.",
    ]


def test_two_commands_cannot_write_one_folder(source, tmp_path):
    with make_writer(tmp_path / "out") as writer:
        with (
            pytest.raises(UmsrepError, match="Another command.*another output"),
            make_writer(tmp_path / "out"),
        ):
            pass
        writer.add("a", source.image("a.png"), "p")
    assert read_header(tmp_path / "out")["counts"]["images"] == 1


def test_folder_in_use_is_not_overwritten(source, tmp_path):
    prepare_two(source, tmp_path / "out")
    before = sha256(tmp_path / "out/dataset.json")
    with (
        pytest.raises(UmsrepError, match="not empty.*new output folder"),
        make_writer(tmp_path / "out"),
    ):
        pass
    assert sha256(tmp_path / "out/dataset.json") == before


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs Linux's full device"
)
def test_full_disk_is_named_and_leaves_nothing(source, tmp_path):
    def prepare():
        # A full disk is no bad input: it is never skipped.
        with make_writer(tmp_path / "out", on_error="skip") as writer:
            writer.add("a", source.image("a.png"), "p")
            (unfinished,) = tmp_path.glob(".umsrep-partial-out-*")
            (unfinished / "images/b.png").symlink_to("/dev/full")
            writer.add("b", source.image("b.png"), "p")

    with pytest.raises(UmsrepError, match="No disk space.*Free some space"):
        prepare()
    assert {path.name for path in tmp_path.iterdir()} == {"source"}


def test_unfinished_folder_does_not_read_as_whole(source, tmp_path):
    with make_writer(tmp_path / "out") as writer:
        writer.add("a", source.image("a.png"), "p")
        # What is on disk if the machine stops here.
        (unfinished,) = tmp_path.glob(".umsrep-partial-out-*")
        shutil.copytree(unfinished, tmp_path / "left")
        assert not (tmp_path / "out").exists()
    with pytest.raises(UmsrepError, match="did not finish.*umsrep prepare"):
        read_header(tmp_path / "left")


def changed(key, value):
    def change(header):
        header[key] = value

    return change


def removed(key):
    def change(header):
        del header[key]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed("format", "coco"), "not describe a prepared.*Make one"),
        (changed("format_version", 2), "version 2.*reads version 1.*again"),
        (changed("format_version", True), "version True.*again"),
        (removed("format_version"), "version None.*again"),
        (removed("checksums"), "entry 'checksums'.*again"),
        (changed("tasks", {"a": []}), "damaged entry 'tasks'.*again"),
        (
            changed("tasks", {"a": {"kind": "box"}}),
            "label, map, mask, number.*again",
        ),
        (changed("preprocessing", {"size": [0, 9]}), r"\[0, 9\].*again"),
    ],
)
def test_header_that_does_not_fit_is_refused(source, tmp_path, change, message):
    prepare_two(source, tmp_path / "out")
    file = tmp_path / "out/dataset.json"
    header = json.loads(file.read_text())
    change(header)
    file.write_text(json.dumps(header))
    with pytest.raises(UmsrepError, match=f"dataset.json.*{message}"):
        read_header(tmp_path / "out")


def test_broken_or_missing_header_is_refused(tmp_path):
    with pytest.raises(UmsrepError, match="is not a folder.*umsrep prepare"):
        read_header(tmp_path / "none")
    (tmp_path / "dataset.json").write_text('{"format": ')
    with pytest.raises(UmsrepError, match="dataset.json is not a readable"):
        read_header(tmp_path)
    (tmp_path / "dataset.json").write_text("[]")
    with pytest.raises(UmsrepError, match="not describe.*Make one"):
        read_header(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lung mask", "mask"), "Use letters, digits and underscores"),
        (("split", "mask"), "fixed column.*another name"),
        (("lung", "box"), "one of label, map, mask, number"),
        (("lung", "mask", ("a", "b")), "Leave classes out"),
        (("x", "label", ("a",)), "at least two different"),
        (("x", "label", ("a", "a")), "at least two different"),
        (("x", "label", ("a", "")), "non-empty"),
    ],
)
def test_task_specifications_are_checked(arguments, message):
    with pytest.raises(UmsrepError, match=message):
        TaskSpec(*arguments)


def test_task_specifications_compare_by_value():
    assert TaskSpec("x", "label", ["a", "b"]) == TaskSpec(
        "x", "label", ("a", "b")
    )
