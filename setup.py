"""Installation; tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
REQUIREMENTS = [
    line.strip()
    for line in (HERE / "requirements.txt").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
# What `umsrep export` writes and reads beyond TensorFlow's own formats.
EXPORT = [
    "onnx>=1.20,<2",
    "onnxruntime>=1.22,<2",
    "tf2onnx>=1.17,<2",
    "ai-edge-litert>=2.3,<3",
    "ai-edge-quantizer>=0.10,<0.11",
]
# Decoders of compressed DICOM files (JPEG lossless, JPEG-LS, HTJ2K); one of
# them is under the GPL.
DICOM = ["pylibjpeg[all]>=2"]
# The notebooks, and `make test-notebooks`.
NOTEBOOK = ["ipykernel>=6.29", "nbclient>=0.10", "nbformat>=5.10"]
# `umsrep view`.
VIEW = ["fastapi>=0.115", "uvicorn>=0.34"]
# `umsrep scan --engine dask`.
CLUSTER = ["distributed>=2024.8"]

setup(
    name="umsrep",
    version="0.1.0",
    description=(
        "Shared representations, several tasks and attention supervision "
        "for medical images"
    ),
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["umsrep*", "data_prep*"]),
    package_data={
        "umsrep": [
            "search/spaces/*.yaml",
            "report/templates/*",
            "view/static/*",
        ]
    },
    install_requires=REQUIREMENTS,
    extras_require={
        # The versions that `make test-backends` was checked with.
        "backends": ["jax>=0.10,<0.11", "torch>=2.13,<2.14"],
        "export": EXPORT,
        "cluster": CLUSTER,
        "dicom": DICOM,
        "notebook": ["jupyterlab>=4", *NOTEBOOK],
        "view": VIEW,
        # With the other extras, so that the tests cover them.
        "dev": [
            *("pytest>=8", "pytest-xdist>=3.6", "ruff>=0.9"),
            *("httpx>=0.28", "playwright>=1.49"),
            *("mypy>=2", "pandas-stubs>=3", "types-PyYAML>=6"),
            *CLUSTER,
            *DICOM,
            *NOTEBOOK,
            *EXPORT,
            *VIEW,
        ],
    },
    entry_points={"console_scripts": ["umsrep=umsrep.cli.main:main"]},
)
