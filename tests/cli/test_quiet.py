import os
import subprocess
import sys

import pytest

CODE = """
import sys
sys.modules["{backend}"] = None
from umsrep.cli.quiet import load_backend
load_backend()
"""


def test_an_unknown_backend_names_those_that_there_are():
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(backend="nothing")],
        env={**os.environ, "KERAS_BACKEND": "pytorch"},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "one of tensorflow, jax, torch" in last


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_backend_that_is_not_installed_names_the_remedy(backend):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(backend=backend)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert f"UmsrepError: KERAS_BACKEND={backend}, but" in last
    assert "pip install -e '.[backends]'" in last
