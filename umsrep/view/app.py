"""The page's server: its files, and four questions it may ask."""

import asyncio
from pathlib import Path
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from umsrep.data import source_image
from umsrep.errors import UmsrepError
from umsrep.view.analysis import Analysis
from umsrep.view.guard import Guard

STATIC = Path(__file__).parent / "static"
LIMIT_BYTES = 64 * 2**20
# For a file to arrive, on this machine.
SECONDS = 60


def make_app(
    predictor, cases, port, title, sixteen_bit="refuse", limit=LIMIT_BYTES
):
    """The application behind its guard.

    Nothing that is sent to it is stored: an image is read in memory, answered
    and forgotten.

    Args:
        predictor: A `Predictor`.
        cases: `cases.Cases`.
        port: The port it will be served on.
        title: Name of the model.
        sixteen_bit: How to read dropped images, as in `images.read_grey`.
        limit: Largest image file, in bytes.
    """
    analysis = Analysis(predictor)
    # One image at a time, also while it is received: memory stays bounded.
    one, receiving = asyncio.Semaphore(1), asyncio.Semaphore(1)
    # The framework's own documentation pages load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(UmsrepError)
    async def mistake(request, error):
        return JSONResponse({"error": str(error)}, 422)

    @app.get("/")
    async def page():
        return FileResponse(STATIC / "index.html")

    @app.get("/api/model")
    async def model():
        return {
            "title": title,
            "tasks": analysis.describe(),
            "cases": cases.describe(),
            "limit": limit,
        }

    @app.get("/api/case/{number}")
    async def case(number: int):
        def work():
            image, references = cases.load(number, predictor.specs)
            found = analysis(image, references, prepared=True)
            return {**found, "name": cases.dataset.table["image"][number]}

        async with one:
            return await run_in_threadpool(work)

    @app.post("/api/image")
    async def image(request: Request):
        name = Path(unquote(request.headers.get("x-file-name", ""))).name
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            return _too_large(limit)
        # A file that never ends must not keep the cases from being seen.
        async with receiving:
            data = bytearray()
            try:
                async with asyncio.timeout(SECONDS):
                    async for part in request.stream():
                        data += part
                        if len(data) > limit:
                            return _too_large(limit)
            except ClientDisconnect:
                return JSONResponse({"error": "interrupted"}, 400)
            except TimeoutError:
                return JSONResponse({"error": "The file did not arrive."}, 408)
            async with one:
                return await run_in_threadpool(
                    *(_analyse, analysis, name or "The image", data),
                    sixteen_bit,
                )

    app.mount("/static", StaticFiles(directory=STATIC))
    return Guard(app, port)


def _analyse(analysis, name, data, sixteen_bit):
    if not data:
        raise UmsrepError(f"{name} is empty. Choose an image file.")
    image = source_image.read(name, sixteen_bit, bytes(data))
    return {**analysis(image), "name": name}


def _too_large(limit):
    return JSONResponse(
        {
            "error": f"The file is larger than {limit / 2**20:g} MB. Choose a "
            "smaller one, or use `umsrep predict`."
        },
        413,
    )
