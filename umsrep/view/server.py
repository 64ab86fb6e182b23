"""Serves the page on the loopback interface."""

import contextlib
import os
import socket
from pathlib import Path

from umsrep import inference
from umsrep.errors import UmsrepError
from umsrep.view import cases as cases_module

LOOPBACK = "127.0.0.1"


def view(
    model,
    data_folder=None,
    evaluation=None,
    port=0,
    sixteen_bit="refuse",
    ready=print,
):
    """Serves the page until it is interrupted.

    Args:
        model: A run folder of `finetune`, or an exported file.
        data_folder: A prepared data set whose images are cases.
        evaluation: A folder of `umsrep evaluate`, whose images are cases,
            worst first; `data_folder` then says where its data lie, if
            elsewhere.
        port: Port of this machine; 0 is a free one.
        sixteen_bit: How to read dropped images, as in `images.read_grey`.
        ready: Called with the page's address when it can be opened.

    Raises:
        UmsrepError: packages are missing, the port is taken, or the folders
            do not belong together.
    """
    uvicorn = _uvicorn()
    from umsrep.view.app import make_app

    predictor = inference.open(model)
    if evaluation is not None:
        cases = cases_module.of_evaluation(
            evaluation, predictor, model, data_folder
        )
    elif data_folder is not None:
        cases = cases_module.of_data(data_folder, predictor)
    else:
        cases = cases_module.none()
    with bound(port) as listening:
        port = listening.getsockname()[1]
        app = make_app(predictor, cases, port, Path(model).name, sixteen_bit)
        ready(f"http://{LOOPBACK}:{port}/")
        # Ctrl-C is the way to end it.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(configured(uvicorn, app)).run(sockets=[listening])


def configured(uvicorn, app):
    """The server's settings; names of files stay out of its log."""
    return uvicorn.Config(
        app, access_log=False, log_level="warning", server_header=False
    )


def bound(port):
    """A socket on the loopback interface."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # The same --port again at once; else it is unsafe.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise UmsrepError(
            f"Port {port} of this machine cannot be used ({error.strerror}). "
            "Choose another --port, or leave it out."
        ) from error
    return listening


def _uvicorn():
    try:
        import fastapi  # noqa: F401
        import uvicorn
    except ModuleNotFoundError as error:
        raise UmsrepError(
            f"The page needs the package {error.name}, which is not "
            "installed. Install it with `pip install -e '.[view]'`."
        ) from error
    return uvicorn
