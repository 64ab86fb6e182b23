"""What the first stage has learnt from, and whether it is tested on.

A representation that was learnt from images, or from patients, that are test
images later makes the test look better than it is, also without labels. A run
of `finetune` keeps a list of what its representation and its denoiser have
learnt from (stage_one.csv), so that every later evaluation can say so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from umsrep.data import Dataset
from umsrep.data.owners import copies_of, owners
from umsrep.errors import UmsrepError
from umsrep.runs.folder import LEARNT_FROM, Run

FILE = "stage_one.csv"
COLUMNS = ["role", "run", "labels", "dataset", "image", "patient", "checksum"]


def learnt_from(sources: Mapping[str, Run | None]) -> pd.DataFrame:
    """stage_one.csv: a row per image that the first stage has learnt from.

    Args:
        sources: {role, such as "representation": `Run` of `pretrain`, or
            None}.

    Returns:
        Data frame of `COLUMNS`.
    """
    parts = [pd.DataFrame(columns=COLUMNS)]
    for role, run in sources.items():
        if run is not None:
            rows = run.split()
            rows = rows[rows["split"].isin(LEARNT_FROM)]
            named = {"role": role, "run": run.path.resolve().name}
            labels = "yes" if run.has_labels else "no"
            parts.append(rows.assign(**named, labels=labels)[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def read(run: Run) -> pd.DataFrame | None:
    """stage_one.csv of a run; None of one that an older umsrep trained.

    Raises:
        UmsrepError: the file is damaged.
    """
    file = run.path / FILE
    if not file.exists():
        return None
    try:
        return pd.read_csv(file, dtype=str, keep_default_na=False)[COLUMNS]
    except (OSError, ValueError, KeyError) as error:
        raise UmsrepError(
            f"{file} cannot be read ({error}). The run folder is damaged; "
            "train again."
        ) from error


def seen(rows: pd.DataFrame | None, test: Dataset) -> list[dict[str, Any]]:
    """What of some images the first stage has learnt from.

    Args:
        rows: Data frame of `COLUMNS`, or None: not known.
        test: The images that are tested on.

    Returns:
        One {"role", "run", "labels": bool, "images", "of_patients", "of"} per
        model that has learnt from any: how many of the `of` images it has
        seen, themselves or as a copy, and how many are of patients that it
        has seen.
    """
    found: list[dict[str, Any]] = []
    if rows is None:
        return found
    for (role, run, labels), part in rows.groupby(
        ["role", "run", "labels"], sort=False
    ):
        known = test.table["checksum"].isin(set(part["checksum"]) - {""})
        groups = copies_of(test)
        known |= pd.Series(groups, known.index).isin(
            set(groups[known.to_numpy()]) - {""}
        )
        patients = of_patients(test, part)
        if patients.any():
            found.append(
                {
                    "role": role,
                    "run": run,
                    "labels": labels == "yes",
                    "images": int(known.sum()),
                    "of_patients": int(patients.sum()),
                    "of": len(test),
                }
            )
    return found


def in_words(found: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Sentences about what `seen` returned, for people."""
    return [
        f"The {entry['role']} ({entry['run']}) was pre-trained "
        f"({'with' if entry['labels'] else 'without'} labels) on "
        f"{entry['images']} of the {entry['of']} test images; "
        f"{entry['of_patients']} are of patients that it has learnt from."
        for entry in found or ()
    ]


def of_patients(whole: Dataset, rows: pd.DataFrame) -> NDArray:
    """(n,) bool: which images are of patients in some rows of split.csv.

    A patient is known again by data set and key, by the checksum of any of
    their images, or by a copy of one.

    Args:
        whole: A `data.Dataset`.
        rows: Data frame with the columns dataset, patient and checksum.
    """
    table = whole.table
    keys = set(rows["patient"][rows["dataset"] == whole.name])
    keys |= _joined_keys(rows, whole.name)
    checksums = set(rows["checksum"]) - {""}
    known = table["checksum"].isin(checksums) | table["patient"].isin(keys)
    if not known.any():
        return known.to_numpy(bool)
    whose = pd.Series(owners(whole), table.index)
    return whose.isin(set(whose[known])).to_numpy(bool)


def _joined_keys(rows: pd.DataFrame, name: str) -> set[str]:
    """Patients of a data set in runs of several, with its name before them."""
    prefix = f"{name}/"
    joined = (
        rows["dataset"]
        .str.split("+")
        .map(lambda names: len(names) > 1 and name in names)
    )
    return {
        patient.removeprefix(prefix)
        for patient in rows["patient"][joined.astype(bool)]
        if patient.startswith(prefix)
    }
