"""What a user does, on the backend of KERAS_BACKEND, and across backends."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from umsrep import MultiTaskModel, finetuning, precision
from umsrep.balancing import UncertaintyWeighting
from umsrep.derived import GradCAM
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule

BACKENDS = ("tensorflow", "jax", "torch")
STRATEGIES = (
    finetuning.Independent,
    finetuning.Alternating,
    finetuning.Joint,
)
# Loads a model in a process of its own; writes what it predicts and explains.
PREDICT = """
import sys
import keras, numpy, umsrep
model = keras.saving.load_model(sys.argv[1])
images = numpy.load(sys.argv[2])
found = model.predict(images, verbose=0)
found["heat"] = umsrep.derived.GradCAM("level").grids(model, images)
numpy.savez(sys.argv[3], **found)
"""


def build(balancer=None):
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            ClassificationHead(2, "level", hidden_units=8),
        ],
        balancer,
    )


def fit(strategy, model, dataset):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return strategy(schedule=Schedule(5e-3)).fit(
        model, train, validation, epochs=2, batch_size=8, progress=False
    )


def run(backend, code, *arguments):
    """What a Python process on another backend prints."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: make test-backends has it")
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("number_format", ["float32", "bfloat16"])
def test_fit_save_and_load(strategy, number_format, dataset, tmp_path):
    precision.use(number_format)
    joint = strategy is finetuning.Joint
    model = build(UncertaintyWeighting() if joint else None)
    table = fit(strategy, model, dataset).table
    assert np.isfinite(table.filter(like="_loss").to_numpy()).all()
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    images = dataset.images[:4]
    for task, want in model.predict(images, verbose=0).items():
        got = copy.predict(images, verbose=0)[task]
        assert got.dtype == want.dtype == np.float32
        np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.usefixtures("float32")
class TestAcrossBackends:
    @pytest.fixture(scope="class")
    def saved(self, tmp_path_factory, prepared_folder):
        """A trained model, images, and what this backend makes of them."""
        from umsrep import data

        folder = tmp_path_factory.mktemp("saved")
        dataset = data.load(prepared_folder)
        keras.config.set_dtype_policy("float32")
        model = build()
        fit(finetuning.Joint, model, dataset)
        model.save(folder / "model.keras")
        images = dataset.images[:4]
        np.save(folder / "images.npy", images)
        expected = model.predict(images, verbose=0)
        expected["heat"] = GradCAM("level").grids(model, images)
        return folder, expected

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_a_saved_model_predicts_the_same(self, backend, saved, tmp_path):
        folder, expected = saved
        run(
            *(backend, PREDICT, folder / "model.keras"),
            *(folder / "images.npy", tmp_path / "found.npz"),
        )
        with np.load(tmp_path / "found.npz") as found:
            assert set(found.files) == set(expected)
            for name, want in expected.items():
                np.testing.assert_allclose(found[name], want, atol=1e-4)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_importing_umsrep_leaves_tensorflow_alone(backend):
    code = "import sys, umsrep; print('tensorflow' in sys.modules)"
    assert run(backend, code) == "False"
