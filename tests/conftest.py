"""Small data sets that every part of the suite can learn from."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
import pytest

HERE = Path(__file__).parent
SIZE = 32
# Tests that train networks, convert them or start processes: beginnings of
# their names, from this folder. `make test-fast` leaves them out, and must end
# within two minutes on two idle cores.
SLOW = (
    "benchmarks/",
    "cli/test_registered_choices.py::test_any_network",
    "contracts/test_backends.py",
    "contracts/test_import_order.py",
    "evaluation/test_intervals.py::test_coverage",
    "derived/test_map_places.py::test_the_peak_of_a_resnet",
    "representations/test_pretrained_weights.py::test_features_are_those",
    "evaluation/test_auditing.py::test_false_alarms",
    "experiments/test_frozen_probes.py",
    "experiments/test_learning_curve.py",
    "export/",
    "finetuning/",
    "inference/",
    "integration/",
    "notebooks/test_run.py",
    "recipes/",
    "report/test_diagnostics.py",
    "report/test_report.py",
    "representations/test_geometry.py::test_a_point",
    "representations/test_keras_application.py",
    "representations/test_saliency_networks.py",
    "runs/test_calibration.py",
    "search/",
    "stages/test_attention_training.py",
    "stages/test_construction.py",
    "stages/test_cross_validation.py",
    "stages/test_focus_training.py",
    "stages/test_objectives.py",
    "stages/test_pretrained_training.py",
    "stages/test_pretraining.py",
    "stages/test_robust_settings.py::test_a_run",
    "stages/test_weightings.py::test_the_command",
    "test_contributing.py::test_the_",
    "test_distribution.py",
    "test_notebook_line.py",
    "training/test_averaging.py::TestTraining",
    "training/test_return_to_best.py",
    "view/",
)


def pytest_collection_modifyitems(items):
    """Marks the tests of `SLOW`."""
    for start in SLOW:
        if not (HERE / start.partition("::")[0]).exists():
            raise pytest.UsageError(
                f"SLOW in tests/conftest.py names '{start}', which is not "
                "there. Name what it has become, or leave it out."
            )
    for item in items:
        name = item.nodeid.removeprefix("tests/")
        if name.startswith(SLOW):
            item.add_marker("slow")


def draw(rng, striped):
    """An image with one ellipse; striped ones are class "high"."""
    image = rng.normal(70, 8, (SIZE, SIZE))
    mask = np.zeros((SIZE, SIZE), np.uint8)
    centre = tuple(int(c) for c in rng.integers(11, 21, 2))
    cv2.ellipse(mask, centre, (8, 6), 0, 0, 360, 1, -1)
    image[mask > 0] += 90
    if striped:
        image[::2][mask[::2] > 0] -= 60
    return image.clip(0, 255).astype(np.uint8), mask


def write_prepared(folder, count=40, seed=0, mask_share=1.0, split=""):
    """A prepared data set: tasks `blob` (mask) and `level` (low, high).

    Every second patient has two images; a share of the images lacks masks and
    every tenth lacks its label.
    """
    from umsrep.data.prepared import SourceDescription, TaskSpec
    from umsrep.data.writer import PreparedWriter

    rng = np.random.default_rng(seed)
    raw = folder.parent / f"{folder.name}-raw"
    raw.mkdir(parents=True)
    with PreparedWriter(
        folder,
        name=folder.name,
        tasks=[TaskSpec("blob", "mask"), TaskSpec("level", "label", CLASSES)],
        size=SIZE,
        description=SourceDescription(
            title="ellipses", url="", citation="", licence="", modality="toy"
        ),
    ) as writer:
        for number in range(count):
            striped = bool(number % 2)
            image, mask = draw(rng, striped)
            files = {}
            for kind, picture in (("image", image), ("mask", mask * 255)):
                files[kind] = raw / f"{number:03d}-{kind}.png"
                cv2.imwrite(str(files[kind]), picture)
            writer.add(
                f"{number:03d}",
                files["image"],
                f"p{number * 2 // 3}",
                split,
                targets=({"level": CLASSES[striped]} if number % 10 else {})
                | (
                    {"blob": [files["mask"]]}
                    if number < mask_share * count
                    else {}
                ),
            )
    return folder


CLASSES = ("low", "high")


@pytest.fixture(scope="session")
def prepared_writer():
    """`write_prepared`, for a data set of another size."""
    return write_prepared


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory):
    """A prepared data set with missing masks and labels."""
    return write_prepared(
        tmp_path_factory.mktemp("data") / "toy", mask_share=0.75
    )


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory):
    """Another prepared data set with the same tasks."""
    return write_prepared(
        tmp_path_factory.mktemp("data") / "other", count=16, seed=7
    )


@pytest.fixture
def dataset(prepared_folder):
    """The first of them, loaded."""
    from umsrep import data

    return data.load(prepared_folder)


@pytest.fixture
def float32():
    """Layers built in the test compute in float32, whatever ran before."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test begins alike, whatever a training before it has set."""
    import keras

    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data, or a skip."""
    folder = os.environ.get("UMSREP_DATA")
    if not folder:
        pytest.skip("UMSREP_DATA is not set")
    return Path(folder)
