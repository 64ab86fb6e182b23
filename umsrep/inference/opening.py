"""From a path to what predicts."""

from pathlib import Path

from umsrep import export, runs
from umsrep.errors import UmsrepError
from umsrep.inference.run_predictor import RunPredictor

SUFFIXES = (".keras", ".onnx", ".tflite")
SAVED_MODEL = "saved_model.pb"


def open(path, tasks=None, tta=1):
    """Opens a run folder of `finetune`, or an exported file.

    Args:
        path: A run folder, an exported .keras, .onnx or .tflite file, or an
            exported SavedModel folder.
        tasks: Names of the tasks wanted; None is all. A run computes nothing
            else; an exported file computes what is in it.
        tta: Number of versions of an image that a result is the mean over
            (`data.TestTimeAugmentation`); more than 1 needs a run folder.

    Returns:
        A `Predictor`.

    Raises:
        UmsrepError: none of these, or an unknown task.
    """
    path = Path(path)
    if not path.exists():
        raise UmsrepError(
            f"{path} does not exist. Expected a run folder of `umsrep "
            "finetune` or a file of `umsrep export`; check the path."
        )
    if (path / runs.HEADER).exists():
        return RunPredictor(path, tasks, tta)
    exported = (
        (path / SAVED_MODEL).exists()
        if path.is_dir()
        else path.suffix.lower() in SUFFIXES
    )
    if not exported:
        raise UmsrepError(
            f"{path} is neither a run folder (no {runs.HEADER}) nor an "
            f"exported model ({', '.join(SUFFIXES)}, or a folder with "
            f"{SAVED_MODEL}). Pass the --out of `umsrep finetune` or of "
            "`umsrep export`."
        )
    if tta != 1:
        raise UmsrepError(
            f"tta={tta}: an exported file predicts an image as it is. Pass "
            "the run folder that it was exported from."
        )
    predictor = export.open_file(path)
    for task in tasks or ():
        if task not in predictor.specs:
            raise UmsrepError(
                f"{path} has no task '{task}'. Its tasks: "
                f"{', '.join(predictor.specs)}."
            )
    return predictor
