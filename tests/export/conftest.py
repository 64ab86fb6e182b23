"""Two runs that are exported throughout."""

import exportable
import pytest


@pytest.fixture(scope="session")
def export_work(tmp_path_factory):
    """A folder with the data sets `padded` and `stretched`."""
    folder = tmp_path_factory.mktemp("export")
    exportable.write_data(folder / "padded", "pad")
    exportable.write_data(folder / "stretched", "stretch")
    return folder


@pytest.fixture(scope="session")
def joint_run(export_work):
    """One network for a mask, a label and a map, in float32."""
    return exportable.joint_run(export_work / "padded", export_work / "joint")


@pytest.fixture(scope="session")
def separate_run(export_work):
    """A network per task behind a denoiser, in bfloat16."""
    return exportable.separate_run(
        export_work / "stretched", export_work / "separate"
    )
