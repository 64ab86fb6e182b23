"""What `import umsrep` does, in processes where nothing is imported yet."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import umsrep
from umsrep import keras_import

ROOT = Path(__file__).parents[2]
ORDERS = {
    "umsrep first": "import umsrep; import keras",
    "keras first": "import keras; import umsrep",
    "keras by a part of umsrep": (
        "import umsrep; umsrep.data.Batches; import keras"
    ),
    "the model's class before its parts": (
        "import umsrep; umsrep.MultiTaskModel; import keras"
    ),
}


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model file with classes of most parts of the package."""
    model = umsrep.MultiTaskModel(
        umsrep.representations.ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            umsrep.heads.SegmentationHead("lung"),
            umsrep.heads.CAMHead(2, "finding", features="bottleneck"),
        ],
        balancer=umsrep.balancing.UncertaintyWeighting(),
    )
    model.compile("adam", loss={"lung": umsrep.losses.BCEDice()})
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder / "cxr.keras")
    # As `umsrep export` writes them: layers, without the model around them.
    keras.Model(model.input, model.output).save(folder / "flat.keras")
    return folder


@pytest.mark.parametrize("imports", ORDERS.values(), ids=ORDERS)
def test_keras_opens_a_file_in_either_order_of_import(saved, imports):
    done = run(
        f"import sys; {imports}; "
        "model = keras.saving.load_model(sys.argv[1], safe_mode=True); "
        "print(type(model).__module__, *model.tasks)",
        saved / "cxr.keras",
    )
    assert done.stdout.split() == ["umsrep.model", "lung", "finding"], (
        done.stderr
    )


@pytest.mark.parametrize(
    "before",
    ["umsrep", "umsrep.representations", "umsrep.layers", "umsrep.finetuning"],
)
def test_keras_opens_a_flat_graph_of_layers(saved, before):
    done = run(
        f"import sys; import {before}; import keras; "
        "print(*keras.saving.load_model(sys.argv[1], safe_mode=True).output)",
        saved / "flat.keras",
    )
    assert done.stdout.split() == ["lung", "finding"], done.stderr


def test_a_file_may_begin_with_any_layer():
    keras_import.import_classes()
    parts = (
        "umsrep.layers.",
        "umsrep.export.",
        "umsrep.model",
        "umsrep.ensemble",
    )
    registered = {
        cls.__name__
        for cls in keras.saving.get_custom_objects().values()
        if getattr(cls, "__module__", "").startswith(parts)
    }
    named = set().union(*keras_import.FIRST_CLASSES.values())
    assert registered == named


def test_it_imports_neither_keras_nor_a_part_that_needs_it():
    done = run(
        "import sys; import umsrep; import umsrep.cli.main; "
        "print(sorted({'keras', 'tensorflow', 'cv2', 'pandas'} "
        "& set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_it_shows_its_public_names_only():
    assert dir(umsrep) == sorted(umsrep.__all__)
    for part in ("data", "evaluation", "export", "recipes", "runs", "search"):
        package = getattr(umsrep, part)
        assert dir(package) == sorted(package.__all__)
        for name in dir(package):
            getattr(package, name)


def test_every_name_in_the_documentation_exists():
    pages = [
        ROOT / "README.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]
    called = {
        name
        for page in pages
        for name in re.findall(r"\b(umsrep(?:\.\w+)+)\(", page.read_text())
    }
    missing = []
    for name in sorted(called):
        try:
            functools.reduce(getattr, name.split(".")[1:], umsrep)
        except AttributeError:
            missing.append(name)
    assert called
    assert not missing


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "umsrep.cli", "verify", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("umsrep: nowhere is not a folder")
