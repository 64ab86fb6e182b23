"""Figures and pictures as data URIs, so that the page loads nothing."""

import base64
import io
import math

import cv2
import numpy as np

from umsrep.errors import UmsrepError
from umsrep.figures import style


def figure_uri(figure):
    """An SVG data URI of a figure; None of no figure."""
    if figure is None:
        return None
    stream = io.BytesIO()
    style.render(figure, stream, "svg")
    return _uri("svg+xml", stream.getvalue())


def embedded(picture):
    """A `Picture` for the page: its data URI and size in CSS pixels.

    Grey pictures stay as they are, for noise is what they show. Coloured ones
    are coded as JPEG without loss of colour resolution, which spares most of
    the page's size. Sides change by whole factors only, up to 256 pixels and
    down to 400, so that nothing is blurred.

    Raises:
        UmsrepError: the file is no PNG.
    """
    content = picture.file.read_bytes()
    pixels = None
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        pixels = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED
        )
    if pixels is None:
        raise UmsrepError(
            f"{picture.file} is not a readable PNG picture. Make the folder's "
            "pictures again with the command that wrote them."
        )
    kind = "png"
    if pixels.dtype == np.uint8 and pixels.shape[2:] == (3,):
        jpeg = _jpeg(pixels)
        if len(jpeg) < len(content):
            kind, content = "jpeg", jpeg
    height, width = pixels.shape[:2]
    grow = max(1, 256 // height)
    shrink = math.ceil(height / 400)
    return {
        "uri": _uri(kind, content),
        "width": round(width * grow / shrink),
        "height": round(height * grow / shrink),
        "sharp": grow > 1,
        "alt": picture.caption or picture.file.stem,
    }


def _jpeg(pixels):
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        90,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    return cv2.imencode(".jpg", pixels, options)[1].tobytes()


def _uri(kind, content):
    code = base64.b64encode(content).decode("ascii")
    return f"data:image/{kind};base64,{code}"
