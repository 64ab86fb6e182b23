"""Reading is strict: whole and right, or an error that says what to do."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from umsrep.data import images, resizing
from umsrep.errors import UmsrepError


@pytest.fixture
def grey():
    rng = np.random.default_rng([1])
    return rng.integers(0, 256, (48, 40), dtype=np.uint8)


def saved(path, array, mode=None):
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA"])
def test_every_png_colour_layout_reads_as_the_same_grey(tmp_path, grey, mode):
    path = saved(tmp_path / "x.png", grey, mode)
    with Image.open(path) as picture:
        assert picture.mode == mode
    np.testing.assert_array_equal(images.read_grey(path), grey)


def test_colour_palette_becomes_luma(tmp_path):
    indices = np.zeros((8, 8), np.uint8)
    indices[:4] = 1
    picture = Image.fromarray(indices).convert("P")
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.save(tmp_path / "x.png")
    read = images.read_grey(tmp_path / "x.png")
    luma = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert read[0, 0] == luma
    assert read[7, 0] == 0


def test_one_bit_png_reads_as_black_and_white(tmp_path, grey):
    saved(tmp_path / "x.png", grey > 128)
    read = images.read_grey(tmp_path / "x.png")
    np.testing.assert_array_equal(read, (grey > 128) * np.uint8(255))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_reads_close_to_the_original(tmp_path, mode):
    smooth = np.add.outer(np.arange(48), np.arange(40)).astype(np.uint8) * 2
    path = tmp_path / "x.jpeg"
    Image.fromarray(smooth).convert("RGB").convert(mode).save(path, quality=95)
    difference = images.read_grey(path).astype(int) - smooth
    assert np.abs(difference).max() <= 6


def test_type_is_judged_by_content_not_by_name(tmp_path, grey):
    saved(tmp_path / "x.png", grey).rename(tmp_path / "x.jpeg")
    np.testing.assert_array_equal(images.read_grey(tmp_path / "x.jpeg"), grey)


def test_exif_orientation_is_applied(tmp_path, grey):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey).save(tmp_path / "x.png", exif=exif)
    read = images.read_grey(tmp_path / "x.png")
    np.testing.assert_array_equal(read, np.rot90(grey, -1))


@pytest.mark.parametrize("kind", ["png", "jpeg", "tif"])
def test_truncated_file_is_refused_wherever_it_ends(tmp_path, grey, kind):
    data = saved(tmp_path / f"whole.{kind}", grey).read_bytes()
    # A PNG's last 4 bytes are the checksum of its empty end marker.
    last = len(data) - (4 if kind == "png" else 1)
    path = tmp_path / f"half.{kind}"
    for length in [*range(1, last, 97), last - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(UmsrepError, match=r"half\..*(again|leave it out)"):
            images.read_grey(path)


def test_png_with_a_flipped_bit_is_refused(tmp_path, grey):
    data = bytearray(saved(tmp_path / "x.png", grey).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(UmsrepError, match="damaged.*copy it again"):
        images.read_grey(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty .0 bytes.*again"),
        (b"%PDF-1.7\n...", "a PDF document.*convert it"),
        (bytes(128) + b"DICM", "no pixel data.*leave the file out"),
        (b"<!DOCTYPE html><html>", "an HTML page.*get the file again"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"patient,age\n1,4\n", "a text file.*leave it out"),
        (bytes(range(200, 250)), "unknown type .first bytes c8 c9"),
    ],
)
def test_what_is_not_an_image_is_named(tmp_path, content, words):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(UmsrepError, match=f"x.png.*{words}"):
        images.read_grey(path)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(UmsrepError, match=r"none.png does not exist.*check"):
        images.read_grey(tmp_path / "none.png")
    with pytest.raises(UmsrepError, match="cannot be read.*permissions"):
        images.read_grey(tmp_path)


def test_several_pictures_in_one_file_are_refused(tmp_path, grey):
    Image.fromarray(grey).save(
        tmp_path / "x.tif",
        save_all=True,
        append_images=[Image.fromarray(255 - grey)],
    )
    with pytest.raises(UmsrepError, match="holds 2 pictures.*export"):
        images.read_grey(tmp_path / "x.tif")


def test_constant_image_is_refused(tmp_path):
    path = saved(tmp_path / "x.png", np.full((9, 9), 7, np.uint8))
    with pytest.raises(UmsrepError, match="every pixel is 7.*leave it out"):
        images.read_grey(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_refused_or_rescaled(tmp_path, grey, channels):
    deep = grey.astype(np.uint16) * 100 + 1000
    cv2.imwrite(
        str(tmp_path / "x.png"),
        deep if channels == 1 else np.dstack([deep] * 3),
    )
    with pytest.raises(
        UmsrepError, match="1000 to 26500.*--sixteen-bit rescale"
    ):
        images.read_grey(tmp_path / "x.png")
    read = images.read_grey(tmp_path / "x.png", sixteen_bit="rescale")
    np.testing.assert_array_equal(read, grey)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_white_may_be_zero_in_a_tiff(tmp_path, kind):
    ramp = np.tile(np.arange(40).astype(kind) * 6, (30, 1))
    read = {}
    for photometric in (0, 1):
        stream = io.BytesIO()
        Image.fromarray(ramp).save(stream, "TIFF")
        data = bytearray(stream.getvalue())
        # Tag 262, a short, once.
        place = data.find(bytes([6, 1, 3, 0, 1, 0, 0, 0])) + 8
        data[place] = photometric
        path = tmp_path / f"{photometric}.tif"
        path.write_bytes(data)
        grey = images.read_grey(path, sixteen_bit="rescale").astype(int)
        read[photometric] = grey
    assert read[1][0, 0] < read[1][0, -1]
    np.testing.assert_array_equal(read[0], 255 - read[1])


def _png_with(kind, content):
    stream = io.BytesIO()
    Image.fromarray(np.eye(9, dtype=np.uint8) * 255).save(stream, "PNG")
    data = stream.getvalue()
    body = kind + content
    chunk = struct.pack(">I", len(content)) + body
    # After the header, which ends at byte 33.
    return data[:33] + chunk + struct.pack(">I", zlib.crc32(body)) + data[33:]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"eXIf", b"garbage!"),
        (b"tEXt", b"Raw profile type exif\0\nexif\n 4\nnothex\n"),
    ],
)
def test_odd_metadata_is_an_error_that_names_the_file(tmp_path, kind, content):
    path = tmp_path / "x.png"
    path.write_bytes(_png_with(kind, content))
    with pytest.raises(UmsrepError, match="x.png is truncated or damaged"):
        images.read_grey(path)


def test_colours_without_luma(tmp_path):
    lab = Image.new("LAB", (9, 9), (50, 3, 4))
    lab.save(tmp_path / "x.tif")
    with pytest.raises(UmsrepError, match="the colours LAB.*8-bit grey"):
        images.read_grey(tmp_path / "x.tif")


def test_constant_sixteen_bit_image_is_refused_after_rescaling(tmp_path):
    cv2.imwrite(str(tmp_path / "x.png"), np.full((9, 9), 999, np.uint16))
    with pytest.raises(UmsrepError, match="is constant.*leave it out"):
        images.read_grey(tmp_path / "x.png", sixteen_bit="rescale")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("sixteen_bit", ["refuse", "rescale"])
def test_nan_and_infinity_are_refused(tmp_path, grey, value, sixteen_bit):
    values = grey.astype(np.float32)
    values[3, 4] = value
    path = saved(tmp_path / "x.tif", values)
    with pytest.raises(UmsrepError, match="1 NaN or infinite.*fix the export"):
        images.read_grey(path, sixteen_bit)


def test_unknown_way_with_sixteen_bits_is_refused(tmp_path):
    with pytest.raises(UmsrepError, match="Use one of refuse, rescale"):
        images.read_grey(tmp_path / "x.png", sixteen_bit="clip")


@pytest.mark.parametrize("inside", [1, 255, True])
@pytest.mark.parametrize("mode", [None, "RGB"])
def test_two_valued_masks_read_as_bool(tmp_path, grey, inside, mode):
    expected = grey > 128
    array = expected if inside is True else expected * np.uint8(inside)
    mask = images.read_mask(saved(tmp_path / "x.png", array, mode))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("value", [0, 255])
def test_empty_and_full_masks_are_masks(tmp_path, value):
    path = saved(tmp_path / "x.png", np.full((9, 9), value, np.uint8))
    assert (images.read_mask(path) == (value == 255)).all()


def test_mask_of_other_values_is_refused_and_they_are_named(tmp_path):
    values = np.array([[0, 38], [255, 75]], np.uint8)
    path = saved(tmp_path / "x.png", values)
    with pytest.raises(UmsrepError, match="0, 38, 75, 255.*threshold it"):
        images.read_mask(path)


def test_coloured_mask_is_refused(tmp_path):
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[:4, :, 0] = 255
    path = saved(tmp_path / "x.png", colour)
    with pytest.raises(UmsrepError, match="coloured mask.*one such mask per"):
        images.read_mask(path)


@pytest.mark.parametrize("shape", [(20, 30), (64, 128), (90, 100)])
def test_up_to_factor_two_resizing_is_plain_opencv_bicubic(shape):
    rng = np.random.default_rng([2])
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    expected = cv2.resize(
        image.astype(np.float32), (64, 50), interpolation=cv2.INTER_CUBIC
    )
    np.testing.assert_array_equal(
        resizing.resize_image(image, (50, 64)),
        np.clip(np.rint(expected), 0, 255).astype(np.uint8),
    )


def test_large_reduction_averages_where_plain_bicubic_aliases():
    rng = np.random.default_rng([3])
    noise = rng.integers(0, 256, (768, 768), dtype=np.uint8)
    plain = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC)
    ours = resizing.resize_image(noise, (64, 64))
    assert plain.std() > 50
    # The mean of 6 x 6 values has a sixth of their spread, less after the
    # bicubic step.
    assert ours.std() < noise.std() / 6
    assert abs(ours.mean() - noise.mean()) < 1


def test_overshoot_at_an_edge_is_clipped_not_wrapped():
    image = np.zeros((20, 20), np.uint8)
    image[:, 10:] = 255
    resized = resizing.resize_image(image, (20, 50))
    assert (resized[:, :22] <= 60).all()
    assert (resized[:, -20:] >= 195).all()


def test_image_of_the_right_size_is_copied_unchanged(grey):
    resized = resizing.resize_image(grey, grey.shape)
    np.testing.assert_array_equal(resized, grey)
    assert not np.shares_memory(resized, grey)


@pytest.mark.parametrize("shape", [(512, 512), (300, 4892), (100, 61)])
def test_mask_stays_binary_centred_and_of_equal_area(shape):
    mask = np.zeros(shape, bool)
    mask[shape[0] // 4 : shape[0] // 2, shape[1] // 3 :] = True
    resized = resizing.resize_mask(mask, (96, 96))
    assert resized.dtype == bool
    assert abs(resized.mean() - mask.mean()) < 0.02
    for axis, (before, after) in enumerate(zip(shape, (96, 96), strict=True)):
        centre = (np.nonzero(mask)[axis].mean() + 0.5) / before
        moved = (np.nonzero(resized)[axis].mean() + 0.5) / after
        assert abs(centre - moved) < 0.01


def test_mask_takes_the_pixel_under_the_new_centre():
    rng = np.random.default_rng([4])
    mask = rng.random((30, 45)) > 0.5
    np.testing.assert_array_equal(
        resizing.resize_mask(mask, (10, 15)), mask[1::3, 1::3]
    )


def test_image_and_mask_stay_aligned():
    rows, columns = np.ogrid[:700, :530]
    disc = (rows - 300) ** 2 + (columns - 250) ** 2 < 150**2
    image = resizing.resize_image(disc * np.uint8(255), (128, 128)) > 127
    mask = resizing.resize_mask(disc, (128, 128))
    assert (image & mask).sum() / (image | mask).sum() > 0.97
