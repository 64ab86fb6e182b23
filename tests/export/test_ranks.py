"""Normalisation by ranks is part of an exported file."""

import cv2
import numpy as np
import pytest

from umsrep import data, inference
from umsrep.export import export_run, formats
from umsrep.stages import FinetuneSettings, finetune


@pytest.fixture(scope="module")
def ranked_run(prepared_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("ranks") / "run"
    settings = FinetuneSettings(
        strategy="joint",
        arguments={"filters": (4, 6), "normalization": "rank"},
        convolutions=(),
        epochs=2,
        batch_size=8,
        precision="float32",
        fractions=(0.6, 0.2, 0.2),
    )
    finetune(prepared_folder, None, out, settings=settings, progress=False)
    return out


@pytest.mark.parametrize("kind", ["onnx", "litert", "keras"])
def test_a_file_takes_any_tone(kind, ranked_run, prepared_folder, tmp_path):
    out = tmp_path / f"model{formats.SUFFIXES[kind]}"
    # Compares the file with the run, and raises where they differ.
    export_run(
        ranked_run, out, kind, data_folder=prepared_folder, progress=False
    )
    image = data.load(prepared_folder).image(0) // 2
    other = cv2.LUT(image, np.arange(256, dtype=np.uint8) + 60)
    one, two = inference.open(out)([image, other])["level"]
    np.testing.assert_allclose(one, two, atol=1e-4)
