"""The page in a browser: a dropped image, and the cases of an evaluation."""

import base64
import json
import os
import re
import shutil
import threading

import cv2
import numpy as np
import pandas as pd
import pytest
import uvicorn
from typer.testing import CliRunner

from umsrep import inference
from umsrep.cli.main import app
from umsrep.errors import UmsrepError
from umsrep.stages.evaluation import evaluate_run
from umsrep.view import cases, server
from umsrep.view.app import make_app

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Number of canvas pixels that are not grey, and size.
CANVAS = """() => {
  const canvas = document.getElementById("canvas");
  const { width, height } = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  let coloured = 0, sum = 0;
  for (let i = 0; i < data.length; i += 4) {
    coloured += data[i] !== data[i + 1] || data[i] !== data[i + 2];
    sum += data[i];
  }
  return { width, height, coloured, sum };
}"""
DROP = """([name, coded]) => {
  const bytes = Uint8Array.from(atob(coded), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  document.getElementById("stage").dispatchEvent(new DragEvent("drop",
    { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def predictor(joint_run):
    return inference.open(joint_run)


@pytest.fixture(scope="module")
def evaluation(joint_run, scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluations") / "joint"
    evaluate_run(joint_run, scenes[1], out, bootstrap=10)
    return out


@pytest.fixture(scope="module")
def address(joint_run, predictor, evaluation):
    """Of the page, served as `umsrep view` serves it."""
    with server.bound(0) as listening:
        port = listening.getsockname()[1]
        page = make_app(
            predictor,
            cases.of_evaluation(evaluation, predictor, joint_run),
            port,
            "joint",
        )
        running = uvicorn.Server(server.configured(uvicorn, page))
        thread = threading.Thread(
            target=running.run, kwargs={"sockets": [listening]}
        )
        thread.start()
        yield f"http://127.0.0.1:{port}/"
        running.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"no browser among {', '.join(BROWSERS)}"
        if os.environ.get("UMSREP_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason}, and UMSREP_REQUIRE_BROWSER is 1")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The page with its first case; afterwards nothing has gone wrong."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_default_timeout(60_000)
    wrong, foreign = [], []
    page.on(
        "console",
        lambda message: message.type == "error" and wrong.append(message.text),
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((address, "blob:"))
            or foreign.append(request.url)
        ),
    )
    page.goto(address)
    page.wait_for_selector("#results:visible")
    yield page
    page.close()
    # A refused image is an answer that the browser calls an error.
    assert [text for text in wrong if "status of 422" not in text] == []
    assert foreign == []


def drop(page, name, data):
    page.evaluate(DROP, [name, base64.b64encode(data).decode()])
    page.wait_for_selector("#busy", state="hidden")


def area(page):
    text = page.inner_text("#area-blob")
    return int(re.search(r"([\d,]+) pixels", text)[1].replace(",", ""))


def slide(page, selector, value):
    page.locator(selector).fill(str(value))


def test_a_dropped_image_shows_what_the_model_found(page, scenes, predictor):
    image = cv2.imread(str(scenes[0] / "05.png"), 0)
    results = predictor([image])
    drop(page, "05.png", (scenes[0] / "05.png").read_bytes())
    assert page.inner_text("#name") == "05.png"
    assert "40 × 60 pixels" in page.inner_text("#facts")
    assert "size: nothing unlike" in page.inner_text("#warnings")
    probability = results["level"][0, 1]
    assert f"{100 * probability:.1f} %" in page.inner_text("#tasks")
    assert area(page) == np.count_nonzero(results["blob"][0] > 0.5)
    shown = page.evaluate(CANVAS)
    assert shown["height"] == 640
    scale = (shown["height"] / 60) ** 2
    # The mask, and half the width of its edge.
    assert shown["coloured"] / scale == pytest.approx(area(page), rel=0.1)

    slide(page, "#threshold-blob", 90)
    assert area(page) == np.count_nonzero(results["blob"][0] > 0.9)
    smaller = page.evaluate(CANVAS)
    assert 0 < smaller["coloured"] < shown["coloured"]
    slide(page, "#opacity", 0)
    assert page.evaluate(CANVAS)["coloured"] == 0
    slide(page, "#opacity", 100)
    assert page.evaluate(CANVAS)["sum"] != smaller["sum"]


def test_heat_maps_are_gaze_and_what_speaks_for_a_class(page, scenes):
    drop(page, "05.png", (scenes[0] / "05.png").read_bytes())
    page.get_by_role("checkbox", name="Predicted").uncheck()
    assert page.evaluate(CANVAS)["coloured"] == 0
    sums = set()
    for choice in ("gaze: predicted", "level = low", "level = high"):
        page.get_by_label(choice).check()
        shown = page.evaluate(CANVAS)
        assert shown["coloured"] > 1000, choice
        sums.add(shown["sum"])
    assert len(sums) == 3
    page.keyboard.press("h")
    assert page.evaluate(CANVAS)["coloured"] == 0
    page.keyboard.press("h")
    assert page.evaluate(CANVAS)["sum"] in sums


def test_cases_come_worst_first_and_are_switched_by_keys(page, evaluation):
    table = pd.read_csv(evaluation / "predictions.csv")
    ordered = table.sort_values("blob_dice", kind="stable")
    worst, second = ordered["image"][:2]
    assert page.locator("#case-list option").count() == len(table)
    assert page.inner_text("#name") == worst
    dice = ordered["blob_dice"].iloc[0]
    assert f"reference: {dice:.3f}" in page.inner_text("#tasks")
    assert "Reference: " in page.inner_text("#tasks")
    # Only a source's size says something about it.
    assert "Prepared image, padded to 32 × 32" in page.inner_text("#facts")
    before = page.evaluate(CANVAS)
    page.focus("#case-list")
    page.keyboard.press("ArrowDown")
    page.wait_for_function(
        "name => document.getElementById('name').textContent === name",
        arg=second,
    )
    assert page.evaluate(CANVAS) != before
    page.click("#previous")
    page.wait_for_function(
        "name => document.getElementById('name').textContent === name",
        arg=worst,
    )
    assert page.evaluate(CANVAS) == before

    page.select_option("#ranking", index=1)
    page.wait_for_selector("#busy", state="hidden")
    table["right"] = [
        row[f"level_p_{row['level_true']}"] for _, row in table.iterrows()
    ]
    worst = table.sort_values("right", kind="stable")["image"].iloc[0]
    assert page.inner_text("#name") == worst


def test_a_bad_file_is_an_advice_and_no_old_result(page, scenes):
    drop(page, "notes.txt", b"not an image")
    error = page.get_by_role("alert").inner_text()
    assert "notes.txt is not a readable image" in error
    assert page.locator("#results").is_hidden()
    assert page.locator("#canvas").is_hidden()
    drop(page, "05.png", (scenes[0] / "05.png").read_bytes())
    assert page.locator("#error").is_hidden()
    assert page.locator("#canvas").is_visible()


def test_a_refused_size_is_not_even_sent(page):
    page.evaluate("""() => {
      const transfer = new DataTransfer();
      const part = new Uint8Array(2 ** 20);
      transfer.items.add(new File(Array(65).fill(part), "large.dcm"));
      document.body.dispatchEvent(new DragEvent("drop",
        { dataTransfer: transfer, bubbles: true }));
    }""")
    error = page.get_by_role("alert").inner_text()
    assert "large.dcm is larger than 64 MB" in error


def test_folders_that_do_not_belong_together(
    joint_run, evaluation, scenes, tmp_path
):
    def refusal(*options):
        result = CliRunner().invoke(
            app, list(map(str, ["view", joint_run, *options]))
        )
        assert isinstance(result.exception, UmsrepError), result.output
        return str(result.exception)

    moved = tmp_path / "evaluation"
    shutil.copytree(evaluation, moved)
    header = json.loads((moved / "evaluation.json").read_text())

    def altered(**entries):
        changed = json.dumps({**header, **entries})
        (moved / "evaluation.json").write_text(changed)
        return "--evaluation", moved

    gone = {**header["data"], "path": str(tmp_path / "gone")}
    assert "Pass its folder with --data" in refusal(*altered(data=gone))
    other = tmp_path / "data"
    shutil.copytree(scenes[1], other)
    lines = (other / "manifest.csv").read_text().splitlines(keepends=True)
    (other / "manifest.csv").write_text("".join(lines[:-1]))
    assert "is not the data set that" in refusal(*altered(), *("--data", other))
    run = {**header["run"], "seed": 77}
    assert "an evaluation of another run" in refusal(*altered(run=run))
    assert "as they are" in refusal(*altered(blank_outside="blob"))
    assert "neither a run folder" in str(
        CliRunner().invoke(app, ["view", str(tmp_path)]).exception
    )
