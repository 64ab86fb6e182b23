"""What the page's server answers, and what it refuses."""

import asyncio
import base64
import re
import sys
import tempfile
from io import BytesIO
from urllib.parse import quote

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from umsrep.data.prepared import TaskSpec
from umsrep.errors import UmsrepError
from umsrep.inference import Predictor
from umsrep.phantoms.chest.dicom_file import new_dicom, save
from umsrep.view import app as view_app
from umsrep.view import cases, server
from umsrep.view.app import make_app

PORT = 8123
HOME = f"http://127.0.0.1:{PORT}"
LIMIT = 100_000
CLASSES = ("dark", "bright")


class Brightness(Predictor):
    """Grey / 255 is the mask's probability, its mean that of "bright"."""

    specs = {
        "light": TaskSpec("light", "mask"),
        "level": TaskSpec("level", "label", CLASSES),
        "gaze": TaskSpec("gaze", "map"),
    }
    thresholds = {"light": 0.5, "level": 0.25}
    image_size = (32, 32)
    fit = "stretch"
    intensities = None

    def __call__(self, images):
        masks = [image.astype(np.float32) / 255 for image in images]
        bright = np.array([mask.mean() for mask in masks])
        return {
            "light": masks,
            "level": np.stack([1 - bright, bright], axis=1),
            "gaze": [mask / mask.sum() for mask in masks],
        }


class Broken(Brightness):
    """A network whose mask is not a number."""

    def __call__(self, images):
        results = super().__call__(images)
        results["light"][0][0, 0] = np.nan
        return results


@pytest.fixture
def picture():
    rng = np.random.default_rng(3)
    return rng.integers(0, 180, (40, 30)).astype(np.uint8)


def png(picture):
    return cv2.imencode(".png", picture)[1].tobytes()


def ask(path, predictor=None, method="GET", home=HOME, **options):
    """The answer of the page's application to one request."""
    app = make_app(
        predictor or Brightness(), cases.none(), PORT, "toy", limit=LIMIT
    )

    async def work():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url=home
        ) as client:
            return await client.request(method, path, **options)

    return asyncio.run(work())


def send(data, name="x.png", headers=None, **options):
    return ask(
        "/api/image",
        method="POST",
        content=data,
        headers={"x-file-name": quote(name), **(headers or {})},
        **options,
    )


def decoded(text):
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), -1)


class TestAnalysis:
    def test_numbers_are_those_of_the_image_s_own_size(self, picture):
        found = send(png(picture), "Größe.png").json()
        assert found["name"] == "Größe.png"
        assert (found["height"], found["width"]) == picture.shape
        light = found["tasks"]["light"]
        probabilities = picture.astype(np.float32) / 255
        assert light["areas"] == [
            np.count_nonzero(probabilities > np.float32(step / 100))
            for step in range(101)
        ]
        level = found["tasks"]["level"]
        np.testing.assert_allclose(
            level["probabilities"][1], probabilities.mean(), rtol=1e-6
        )
        # Less likely, but above its threshold.
        assert probabilities.mean() < 0.5
        assert CLASSES[level["decided"]] == "bright"

    def test_pictures_are_enlarged_for_the_page(self, picture):
        found = send(png(picture)).json()
        expected = cv2.resize(
            picture, (480, 640), interpolation=cv2.INTER_LINEAR
        )
        shown = decoded(found["tasks"]["light"]["probability"])
        assert np.abs(shown.astype(int) - expected).max() <= 1
        assert decoded(found["image"]).shape == expected.shape
        assert decoded(found["tasks"]["gaze"]["map"]).max() > 250

    def test_dicom_brings_its_spacing(self, picture, tmp_path):
        made = new_dicom(
            "x", uid.DigitalXRayImageStorageForPresentation, picture
        )
        made.PhotometricInterpretation = "MONOCHROME2"
        made.BitsAllocated = made.BitsStored = 8
        made.HighBit = 7
        made.PixelSpacing = [0.5, 0.25]
        made.PixelData = picture.tobytes()
        save(made, tmp_path / "x")
        found = send((tmp_path / "x").read_bytes(), "x").json()
        assert found["spacing"] == [0.5, 0.25]
        assert found["spacing_at"] == "object"

    def test_a_predictor_without_features_explains_nothing(self, picture):
        tasks = ask("/api/model").json()["tasks"]
        assert {
            task["name"]: task["explained"] for task in tasks
        } == dict.fromkeys(Brightness.specs, False)
        assert send(png(picture)).json()["tasks"]["level"]["maps"] == {}

    @pytest.mark.parametrize(
        ("data", "predictor", "advice"),
        [
            (b"", None, "is empty. Choose an image"),
            (b"no picture", None, "x.png is not a readable image.*convert it"),
            ("cut", None, "x.png.*copy it again"),
            ("deep", None, "sixteen.bit"),
            ("good", Broken(), "not finite. Look at the image"),
        ],
    )
    def test_what_cannot_be_analysed(self, picture, data, predictor, advice):
        if data == "cut":
            data = png(picture)[:-30]
        elif data == "deep":
            data = png(picture.astype(np.uint16) * 300)
        elif data == "good":
            data = png(picture)
        answer = send(data, predictor=predictor)
        assert answer.status_code == 422
        assert re.search(advice, answer.json()["error"])

    def test_no_such_case(self):
        answer = ask("/api/case/0")
        assert answer.status_code == 422
        assert "Choose one from the list" in answer.json()["error"]


class TestRefusals:
    @pytest.mark.parametrize(
        "home",
        [
            "http://evil.example",
            f"http://evil.example:{PORT}",
            f"http://127.0.0.1:{PORT + 1}",
            f"http://127.0.0.1.evil.example:{PORT}",
        ],
    )
    @pytest.mark.parametrize("path", ["/", "/api/model", "/static/view.js"])
    def test_another_host(self, home, path):
        answer = ask(path, home=home)
        assert answer.status_code == 403
        assert "open it by its address" in answer.json()["error"]
        assert ask(path).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": f"https://127.0.0.1:{PORT}"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ],
    )
    def test_another_page(self, picture, headers):
        answer = send(png(picture), headers=headers)
        assert answer.status_code == 403
        assert "from another page" in answer.json()["error"]
        assert ask("/api/model", headers=headers).status_code == 403

    def test_its_own_page(self, picture):
        for home in (HOME, f"http://localhost:{PORT}"):
            own = {"origin": home, "sec-fetch-site": "same-origin"}
            answer = send(png(picture), headers=own, home=home)
            assert answer.status_code == 200

    def test_too_large_a_file(self, picture):
        answer = send(bytes(LIMIT + 1))
        assert answer.status_code == 413
        assert "use `umsrep predict`" in answer.json()["error"]
        # Just as large as allowed: read, and found to be no image.
        assert send(bytes(LIMIT)).status_code == 422

    def test_a_stream_without_end_is_cut_at_the_limit(self):
        sent = 0

        async def endless():
            nonlocal sent
            while True:
                sent += 1000
                yield bytes(1000)

        assert send(endless()).status_code == 413
        assert sent <= LIMIT + 2000

    def test_a_file_that_does_not_arrive(self, monkeypatch):
        monkeypatch.setattr(view_app, "SECONDS", 0.1)

        async def stalled():
            yield bytes(1000)
            await asyncio.sleep(60)

        answer = send(stalled())
        assert answer.status_code == 408
        assert answer.json() == {"error": "The file did not arrive."}

    def test_nothing_foreign_may_run_and_nothing_is_kept(self, picture):
        answers = [
            *(ask(path) for path in ("/", "/static/view.css", "/api/model")),
            *(send(data) for data in (png(picture), b"")),
            ask("/", home="http://evil.example"),
        ]
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            assert "http" not in policy
            assert answer.headers["cache-control"] == "no-store"
        for path in ("/docs", "/openapi.json", "/static/%2e%2e/app.py"):
            assert ask(path).status_code == 404

    def test_an_upload_is_not_stored(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        noise = np.random.default_rng(0).integers(0, 256, (250, 300))
        data = BytesIO()
        Image.fromarray(noise.astype(np.uint8)).save(data, format="TIFF")
        assert send(data.getvalue(), "../x.tif").json()["name"] == "x.tif"
        assert list(tmp_path.iterdir()) == []


def test_it_listens_on_this_machine_only_and_a_taken_port_is_said():
    with server.bound(0) as listening:
        address, port = listening.getsockname()
        assert address == "127.0.0.1"
        with pytest.raises(UmsrepError, match="another --port"):
            server.bound(port)


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(
        UmsrepError, match=r"uvicorn.*pip install -e '.\[view\]'"
    ):
        server.view(tmp_path)
