"""A run predicts in the number format that it was trained in."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_runs import SETTINGS, scenes  # noqa: F401

from umsrep import data, precision, runs
from umsrep.stages import finetune


@pytest.fixture(scope="module")
def half_run(scenes, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("half") / "run"
    settings = replace(SETTINGS, precision="bfloat16", epochs=1)
    with precision.using("float32"):
        finetune(scenes[1], ["level"], out, settings=settings, progress=False)
    return out


@pytest.fixture
def native(monkeypatch):
    monkeypatch.setattr(precision, "native_bfloat16", lambda: True)


def loaded(run, name, **options):
    """(formats of its convolutions, outputs), loaded under another format."""
    with precision.using(name):
        model = runs.Run(run, **options).model()
        formats = {
            layer.dtype_policy.name
            for layer in model.representation._flatten_layers()
            if isinstance(layer, keras.layers.Conv2D)
        }
        return formats, model


def test_whatever_format_is_set_when_it_is_loaded(half_run, scenes, native):  # noqa: F811
    images = data.load(scenes[1]).images[:4]
    found = [loaded(half_run, name) for name in ("float32", "bfloat16")]
    assert [formats for formats, _ in found] == [{"mixed_bfloat16"}] * 2
    first, second = (m.predict_on_batch(images)["level"] for _, m in found)
    np.testing.assert_array_equal(first, second)


def test_what_is_trained_further_has_the_format_that_is_set(half_run, native):
    formats, _ = loaded(half_run, "float32", own_precision=False)
    assert formats == {"float32"}


def test_float32_where_the_processor_does_not_compute_in_it(
    half_run, monkeypatch
):
    monkeypatch.setattr(precision, "native_bfloat16", lambda: False)
    formats, _ = loaded(half_run, "bfloat16")
    assert formats == {"float32"}


def test_the_format_that_was_set_is_set_again():
    before = keras.config.dtype_policy().name
    with precision.using("float16"):
        assert keras.config.dtype_policy().name == "mixed_float16"
    assert keras.config.dtype_policy().name == before
