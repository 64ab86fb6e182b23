"""The state of a training after an epoch, in one file."""

import json
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from umsrep import backend, distribution
from umsrep.data.storage import atomic_path
from umsrep.errors import UmsrepError

FILE = "state.npz"


class Checkpoint:
    """Saves and restores everything that an epoch changes.

    It holds the models' weights, batch-norm statistics and random-generator
    states, the optimizers, the schedules, averaged and best weights and the
    history, in one file that is replaced atomically. Orders, augmentations and
    corruptions follow from the seed and the number of the epoch.

    Args:
        folder: Folder of the file.
        groups: The groups of `training.train`, with compiled models.
    """

    def __init__(self, folder, groups):
        self.path = Path(folder) / FILE
        self.groups = groups

    def exists(self) -> bool:
        """Whether there is a state to continue from."""
        return self.path.exists()

    def _live(self):
        variables = []
        for group in self.groups:
            variables += group.variables()
            for lane in group.lanes:
                lane.model.optimizer.build(lane.model.trainable_variables)
                variables += lane.model.optimizer.variables
        return variables

    def save(self, history, epochs_done):
        """Writes the state after `epochs_done` epochs.

        Several workers all have the same state, so one of them writes it.
        """
        if not distribution.leads():
            return
        arrays = {
            f"variable_{i}": keras.ops.convert_to_numpy(v)
            for i, v in enumerate(self._live())
        }
        for i, state in enumerate(backend.random_state()):
            arrays[f"random_{i}"] = state
        notes = {"history": history, "epochs_done": epochs_done, "groups": []}
        for g, group in enumerate(self.groups):
            notes["groups"].append(
                {
                    "schedule": group.schedule.state(),
                    "step": group.step,
                    "seconds": group.seconds,
                    "epochs_run": group.epochs_run,
                    "best": len(group.best),
                    "best_optimizers": len(group.best_optimizers),
                }
            )
            for name in ("best", "best_optimizers"):
                for i, value in enumerate(getattr(group, name)):
                    arrays[f"{name}_{g}_{i}"] = value
            if group.average is not None:
                notes["groups"][g]["averaged"] = group.average.updates
                for i, value in enumerate(group.average.arrays()):
                    arrays[f"average_{g}_{i}"] = value
        arrays["notes"] = np.frombuffer(
            json.dumps(notes).encode(), dtype=np.uint8
        )
        with atomic_path(self.path) as temporary, open(temporary, "wb") as out:
            np.savez(out, **arrays)

    def load(self, release=None):
        """Restores the state; returns (history rows, epochs done).

        Args:
            release: The `Release` of the training, or None; it is done first
                if it had been done.
        """
        advice = (
            "It belongs to a training with other settings, or is damaged. "
            f"Delete {self.path.parent} to start this training over, or use a "
            "new run folder."
        )
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            notes = json.loads(arrays["notes"].tobytes().decode())
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise UmsrepError(
                f"{self.path} is not a readable training state ({error}). "
                f"{advice}"
            ) from error
        if release is not None and notes["epochs_done"] > release.epoch:
            release(self.groups)
        live = self._live()
        names = [f"variable_{i}" for i in range(len(live))]
        saved = [name for name in arrays if name.startswith("variable_")]
        if len(saved) != len(live) or any(
            arrays[name].shape != tuple(variable.shape)
            for name, variable in zip(names, live, strict=True)
        ):
            raise UmsrepError(f"{self.path} does not fit the model. {advice}")
        averaged = [group.average is not None for group in self.groups]
        if averaged != ["averaged" in note for note in notes["groups"]]:
            raise UmsrepError(
                f"{self.path} is of a training with another weight_average. "
                f"{advice}"
            )
        for name, variable in zip(names, live, strict=True):
            variable.assign(arrays[name])
        drawn = sum(name.startswith("random_") for name in arrays)
        backend.set_random_state([arrays[f"random_{i}"] for i in range(drawn)])
        for g, (group, note) in enumerate(
            zip(self.groups, notes["groups"], strict=True)
        ):
            group.schedule.restore(note["schedule"])
            group.step = note["step"]
            group.seconds = note["seconds"]
            group.epochs_run = note["epochs_run"]
            for name in ("best", "best_optimizers"):
                count = note.get(name, 0)
                values = [arrays[f"{name}_{g}_{i}"] for i in range(count)]
                setattr(group, name, values)
            if group.average is not None:
                group.average.updates = note["averaged"]
                group.average.restore(
                    [
                        arrays[f"average_{g}_{i}"]
                        for i in range(len(group.average.variables))
                    ]
                )
        return notes["history"], notes["epochs_done"]
