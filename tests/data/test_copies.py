import json
import pathlib

import cv2
import numpy as np
import pandas as pd
import pytest
import textures

from umsrep import data
from umsrep.data import copies, copies_file
from umsrep.data.owners import copies_of, owners
from umsrep.data.splitting import split_patients
from umsrep.data.verification import verify
from umsrep.errors import UmsrepError

FRACTIONS = (0.6, 0.2, 0.2)


def pairs_of(images):
    signatures = np.array([copies.signature(image) for image in images])
    return copies.find_copies(signatures, lambda index: images[index])


@pytest.mark.parametrize("change", textures.CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change):
    images = [textures.texture(seed) for seed in range(12)]
    images.append(textures.CHANGES[change](images[4]))
    (pair,) = pairs_of(images)
    assert (pair.first, pair.second) == (4, 12)
    assert pair.mirrored == (change == "mirrored")
    assert copies.COPY <= pair.similarity <= 1


def test_many_copies_of_one_picture_are_one_group():
    images = [textures.texture(seed) for seed in range(5)]
    images += [images[2]] * 8 + [textures.jpeg(images[2])]
    names = [f"i{n}" for n in range(len(images))]
    groups = copies.group_names(names, pairs_of(images))
    assert groups == ["", "", "i2", "", ""] + ["i2"] * 9


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_copies(count):
    assert pairs_of([textures.texture(0)] * count) == []


def test_different_chests_are_not_copies_and_changed_ones_are(real_data):
    files = sorted((real_data / "montgomery" / "images").glob("*.png"))
    images = [
        cv2.resize(
            cv2.imread(str(file), 0), (128, 128), interpolation=cv2.INTER_AREA
        )
        for file in files
    ]
    assert pairs_of(images) == []
    changed = [change(images[7]) for change in textures.CHANGES.values()]
    found = pairs_of(images + changed)
    groups = copies.group_names(range(len(images) + len(changed)), found)
    assert {g for g in groups if g != ""} == {7}
    assert groups.count(7) == 1 + len(changed)


def entries(count=30, split=""):
    """Every third picture twice, changed, under another patient's name."""
    changes = list(textures.CHANGES.values())
    for n in range(count):
        picture, label = textures.texture(n), textures.CLASSES[n % 2]
        yield f"a{n:02}", picture, f"P{n:02}", split, label
        if n % 3 == 0:
            changed = changes[n // 3 % len(changes)](picture)
            yield f"b{n:02}", changed, f"Q{n:02}", split, label


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return textures.write_set(tmp_path_factory.mktemp("c") / "set", entries())


def forget(folder):
    """Makes a set one of an umsrep that recorded no copies."""
    header = json.loads((folder / "dataset.json").read_text())
    for name in (*copies_file.FILES, "sources.csv"):
        (folder / name).unlink()
        del header["checksums"][name]
    (folder / "dataset.json").write_text(json.dumps(header))


@pytest.mark.parametrize("recorded", [True, False])
def test_copies_are_on_one_side_of_every_split(tmp_path, folder, recorded):
    if not recorded:
        folder = textures.write_set(tmp_path / "set", entries(12))
        forget(folder)
    whole = data.load(folder)
    assert ("copies" in whole.table) == recorded
    for seed in range(10):
        sides = whole.split(fractions=FRACTIONS, seed=seed)
        assert sum(map(len, sides)) == len(whole)
        numbers = [set(side.table["image"].str[-6:]) for side in sides]
        assert not numbers[0] & numbers[1]
        assert not numbers[0] & numbers[2]
        assert not numbers[1] & numbers[2]


def test_without_copies_the_split_is_as_it_was(prepared_folder):
    whole = data.load(prepared_folder)
    assert list(owners(whole)) == list(whole.table["patient"])
    for seed in range(5):
        names = split_patients(whole.table, whole.tasks, FRACTIONS, seed)
        sides = whole.split(fractions=FRACTIONS, seed=seed)
        for side, name in zip(sides, data.dataset.SPLITS, strict=True):
            expected = whole.table["image"][names == name]
            assert list(side.table["image"]) == list(expected)


def test_prepare_warns_and_verify_lists_each_with_both_patients(folder):
    header = json.loads((folder / "dataset.json").read_text())
    assert any("20 images are copies" in text for text in header["warnings"])
    found = [f for f in verify(folder) if "P" in f.message]
    assert len(found) == 10
    for number, finding in zip(range(0, 30, 3), found, strict=True):
        assert finding.file == f"images/a{number:02}.png"
        assert f"images/b{number:02}.png" in finding.message
        assert f"of patients P{number:02} and Q{number:02}" in finding.message
        assert finding.severity == "warning"


def test_a_copy_of_a_test_image_is_not_trained_on(tmp_path):
    rows = list(entries(12))
    rows = [
        (name, picture, patient, "test" if name[0] == "b" else "train", label)
        for name, picture, patient, _, label in rows
    ]
    # Another image of a patient whose picture is tested on.
    rows.append(("a99", textures.texture(99), "P00", "train", "no"))
    whole = data.load(textures.write_set(tmp_path / "set", rows))
    train, validation, test = whole.split(fractions=FRACTIONS, seed=0)
    assert sorted(test.table["image"]) == [
        f"images/b{n:02}.png" for n in (0, 3, 6, 9)
    ]
    learnt = set(train.table["image"]) | set(validation.table["image"])
    assert learnt == {f"images/a{n:02}.png" for n in range(12) if n % 3}
    errors = [f for f in verify(tmp_path / "set") if f.severity == "error"]
    assert len(errors) == 4
    assert "they are in test and train" in errors[0].message


def test_patients_are_joined_through_a_chain_of_copies():
    table = pd.DataFrame(
        {
            "patient": ["c", "a", "a", "b", "d"],
            "copies": ["x", "x", "y", "y", ""],
        }
    )

    class Set:
        pass

    dataset = Set()
    dataset.table = table
    assert list(owners(dataset)) == ["a", "a", "a", "a", "d"]


def test_joined_sets_keep_their_copies(folder, prepared_folder, tmp_path):
    other = textures.write_set(tmp_path / "o", entries(6), name="other")
    both = data.concatenate([data.load(folder), data.load(other)])
    groups = copies_of(both)
    assert set(groups[:3]) == {"textures/images/a00.png", ""}
    assert groups[len(data.load(folder))] == "other/images/a00.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "cannot be read.*Prepare the data set again"),
        (
            "image,copy,similarity,mirrored\nx.png,y.png,1,False\n",
            "names the image 'x.png'.*Prepare the data set again",
        ),
    ],
)
def test_damaged_record_of_copies(tmp_path, text, message):
    folder = textures.write_set(tmp_path / "set", entries(4))
    pathlib.Path(folder / "copies.csv").write_text(text)
    with pytest.raises(UmsrepError, match=message):
        data.load(folder)
