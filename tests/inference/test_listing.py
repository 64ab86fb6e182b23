"""Which files are images, and what their results are called."""

import os

import pytest

from umsrep.errors import UmsrepError
from umsrep.inference import listing

DICOM = bytes(128) + b"DICM"


@pytest.fixture
def tree(tmp_path):
    for name, data in {
        "a/x.png": b"",
        "a/X.JPG": b"",
        "b/x.png": b"",
        "b/deep/1.2.840.5": DICOM,
        "b/deep/notes.txt": b"text",
        "b/DICOMDIR": DICOM,
        "b/.hidden.png": b"",
        "__MACOSX/x.png": b"",
        "old/prediction.json": b"{}",
        "old/masks/lung/x.png": b"",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def found(paths, **options):
    sources, passed_over = listing.find(paths, **options)
    return {
        os.path.relpath(source.path, paths[0]): source.name
        for source in sources
    }, passed_over


def test_a_folder_is_mirrored(tree):
    names, passed_over = found([tree])
    assert names == {
        "a/X.JPG": "a/X",
        "a/x.png": "a/x.png",
        "b/x.png": "b/x",
        "b/deep/1.2.840.5": "b/deep/1.2.840.5",
    }
    assert passed_over == 1


def test_links_are_counted_and_not_followed(tree):
    (tree / "b" / "linked").symlink_to(tree / "a")
    names, passed_over = found([tree])
    assert "b/linked/x.png" not in names
    assert passed_over == 2


def test_a_closed_folder_is_an_error(tree, monkeypatch):
    scan = os.scandir

    def closed(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(
        UmsrepError, match="deep cannot be searched.*Permission"
    ):
        found([tree])


def test_a_folder_may_be_called_as_a_picture(tree):
    (tree / "a" / "x.png").unlink()
    (tree / "a" / "x.png").mkdir()
    (tree / "a" / "x.png" / "y.jpg").write_bytes(b"")
    names, _ = found([tree])
    # Results are NAME.png: no file beside the folder a/x.png is called so.
    assert names["a/X.JPG"] == "a/X.JPG"
    assert names["a/x.png/y.jpg"] == "a/x.png/y"


def test_names_differ_whatever_the_case(tree):
    for name in ("x.png.dcm", "X.png", "x.PNG.DCM"):
        (tree / "a" / name).write_bytes(b"")
    names, _ = found([tree])
    assert len({name.lower() for name in names.values()}) == len(names) == 7


def test_files_of_two_folders_stay_apart(tree):
    sources, _ = listing.find([tree / "a" / "x.png", tree / "b" / "x.png"])
    assert [source.name for source in sources] == ["a/x", "b/x"]
    sources, _ = listing.find([tree / "a" / "x.png"])
    assert [source.name for source in sources] == ["x"]


def test_a_file_counts_once(tree):
    sources, _ = listing.find([tree, tree / "a" / "x.png", tree / "a"])
    assert len(sources) == 4


def test_a_named_file_is_taken_whatever_it_is(tree):
    sources, _ = listing.find([tree / "b" / "deep" / "notes.txt"])
    assert [source.name for source in sources] == ["notes.txt"]


def test_names_are_kept_when_files_are_added(tree):
    before = {str(s.path): s.name for s in listing.find([tree])[0]}
    (tree / "b" / "x.jpg").write_bytes(b"")
    after = {str(s.path): s.name for s in listing.find([tree], before)[0]}
    assert before.items() < after.items()
    assert after[str(tree / "b" / "x.jpg")] == "b/x.jpg"


def test_no_image(tree):
    with pytest.raises(UmsrepError, match="check the path"):
        listing.find([tree / "nowhere"])
    (tree / "empty").mkdir()
    (tree / "empty" / "x.txt").write_text("x")
    with pytest.raises(UmsrepError, match="1 other files.*check the path"):
        listing.find([tree / "empty"])
