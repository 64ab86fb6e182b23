import numpy as np
import pytest

from umsrep import data
from umsrep.errors import UmsrepError
from umsrep.evaluation import predict
from umsrep.stages import PretrainSettings, pretrain
from umsrep.stages.pretraining import denoising_metrics, new_denoiser


def test_paper_preset_takes_the_grey_image_in_three_channels(dataset):
    model = new_denoiser(dataset.image_size, PretrainSettings(preset="paper"))
    few = dataset.subset([0, 1])
    levels = {"none": data.GaussianNoise(0.0)}
    row = denoising_metrics(model, few, levels=levels)["none"]
    # Without noise the input is the clean image.
    assert row["noisy_ssim"] == pytest.approx(1)
    assert -1 <= row["ssim"] < 1
    clean = predict.denoise(model, few)
    assert clean.image(1).shape == few.image(1).shape
    np.testing.assert_array_equal(clean.mask("blob", 1), few.mask("blob", 1))


def test_denoising_in_batches_equals_one_by_one(dataset):
    model = new_denoiser(dataset.image_size, PretrainSettings())
    few = dataset.subset([4, 9, 2])
    together = predict.denoise(model, few)
    for index in range(3):
        alone = predict.denoise_images(model, few.image(index)[None, ..., None])
        difference = together.image(index).astype(int) - alone[0, ..., 0]
        assert np.abs(difference).max() <= 1


def test_noise_level_of_the_input_is_as_named(dataset):
    model = new_denoiser(dataset.image_size, PretrainSettings())
    levels = {"s": data.GaussianNoise(10.0)}
    row = denoising_metrics(model, dataset, levels=levels)["s"]
    # PSNR of sigma 10 without clipping: 20 log10(255 / 10) = 28.1 dB.
    assert row["noisy_psnr"] == pytest.approx(28.13, abs=0.15)


def test_no_data(tmp_path):
    with pytest.raises(UmsrepError, match="--data at least once"):
        pretrain([], tmp_path / "run")


def test_too_few_patients_for_a_test_set(prepared_folder, tmp_path):
    settings = PretrainSettings(fractions=(0.5, 0.5, 0.0), epochs=1)
    with pytest.raises(UmsrepError, match="split fractions"):
        pretrain([prepared_folder], tmp_path / "run", settings)
