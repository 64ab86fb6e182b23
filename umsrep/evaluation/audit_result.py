"""What an audit found: each source tried on each label, copies, repeats."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from umsrep.evaluation import probing
from umsrep.evaluation.audit_sources import Sources

FORMAT, FORMAT_VERSION = "umsrep-audit", 1
# A shortcut is significant after Holm's adjustment for all that was tried,
# its interval lies above chance, and it is not too weak to matter.
LEVEL, RELEVANT = 0.05, 0.6


@dataclass(frozen=True)
class Tried:
    """One source tried on one label.

    Attributes:
        task: The label task or, with `about` "origin", what tells where an
            image is from: "split", "folder" or "device".
        source: Name of the source.
        about: "label" or "origin".
        probe: The `probing.Probe`.
        p_holm: Its p, adjusted for everything that was tried.
        flagged: Whether the label is readable from it.
        note: What to bear in mind.
    """

    task: str
    source: str
    about: str
    probe: probing.Probe
    p_holm: float
    flagged: bool
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The entry of audit.json."""
        found = self.probe
        entry: dict[str, Any] = {
            "task": self.task,
            "from": self.source,
            "auc": round(found.auc, 4),
            "low": round(found.low, 4),
            "high": round(found.high, 4),
            "chance": 0.5,
            "p": found.p,
            "p_holm": self.p_holm,
            "images": found.images,
            "patients": found.patients,
            "classes": found.classes,
            "flagged": self.flagged,
        }
        return entry | ({"note": self.note} if self.note else {})


@dataclass(repr=False)
class Audit:
    """What an audit found.

    Attributes:
        name: Of the data set.
        tried: Every `Tried`.
        copies: [{"images", "patients", "splits"}] per picture that is there
            more than once.
        repeats: {"patients": those with several images, "images": theirs,
            "most": images of one patient, "of_patients", "of_images"}.
        missing: {source: why it could not be looked at}.
        not_tried: {label: why}.
        seed: Of folds, resamples and permutations.
        sources: The `Sources`, for pictures of a shortcut.
        labels: {task: (n,) class indices, negative where unknown}.
        classes: {task: names of its classes}.
    """

    name: str
    tried: list[Tried]
    copies: list[dict[str, Any]]
    repeats: dict[str, int]
    missing: dict[str, str]
    not_tried: dict[str, str]
    seed: int
    sources: Sources = field(repr=False, default_factory=Sources)
    labels: dict[str, NDArray] = field(repr=False, default_factory=dict)
    classes: dict[str, tuple[str, ...]] = field(
        repr=False, default_factory=dict
    )

    def __repr__(self) -> str:
        return "\n".join([f"Audit of {self.name}", *self.sentences()])

    @property
    def shortcuts(self) -> list[Tried]:
        """The labels that are readable from what is not the disease."""
        return [t for t in self.tried if t.flagged and t.about == "label"]

    @property
    def differences(self) -> list[Tried]:
        """The origins (split, folder, device) that are readable."""
        return [t for t in self.tried if t.flagged and t.about == "origin"]

    def to_frame(self) -> pd.DataFrame:
        """All that was tried: a row per label and source, strongest first."""
        rows = [tried.to_json() for tried in self.tried]
        columns = ["task", "from", "auc", "low", "high", "p_holm", "flagged"]
        if not rows:
            return pd.DataFrame(columns=columns)
        frame = pd.DataFrame(rows)
        frame = frame[[*columns, "images", "patients", "classes"]]
        return frame.sort_values(
            ["task", "auc"], ascending=[True, False], ignore_index=True
        )

    def sentences(self) -> list[str]:
        """What was found, in words; the first is the result."""
        lines = []
        by_task: dict[str, list[str]] = {}
        for tried in sorted(
            self.shortcuts + self.differences, key=lambda t: -t.probe.auc
        ):
            readable = f"{tried.source} (AUC {tried.probe.auc:.2f})"
            by_task.setdefault(f"{tried.about} {tried.task}", []).append(
                readable
            )
        for name, words in by_task.items():
            kind, _, task = name.partition(" ")
            title = "Shortcut" if kind == "label" else "Readable origin"
            lines.append(f"{title}: {task} from {', '.join(words)}.")
        if not by_task and self.tried:
            lines.append(
                f"No shortcut found: {len(self.tried)} tried, none is readable "
                f"(AUC of {RELEVANT} or more, p < {LEVEL} after Holm)."
            )
        notes = {
            (t.source if t.about == "label" else t.task, t.note)
            for t in self.tried
            if t.note
        }
        lines += [f"{name}: {note}." for name, note in sorted(notes)]
        people = sum(len(c["patients"]) > 1 for c in self.copies)
        lines.append(
            f"Copies: {len(self.copies)} pictures more than once, {people} "
            "under several patients."
        )
        lines.append(
            "Repeat patients: {patients} of {of_patients} have several images "
            "({images} of {of_images}; {most} at most).".format(**self.repeats)
        )
        for title, why in (
            ("Not looked at", self.missing),
            ("Not tried", self.not_tried),
        ):
            reasons: dict[str, list[str]] = {}
            for name, reason in why.items():
                reasons.setdefault(reason, []).append(name)
            lines += [
                f"{title}: {', '.join(names)} ({reason})."
                for reason, names in reasons.items()
            ]
        return lines

    def _repr_html_(self) -> str:
        shown = self.to_frame().style.format(precision=3)
        return shown.hide(axis="index").to_html()

    def to_json(self) -> dict[str, Any]:
        """audit.json."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "data": self.name,
            "seed": self.seed,
            "folds": probing.FOLDS,
            "permutations": probing.PERMUTATIONS,
            "level": LEVEL,
            "relevant_auc": RELEVANT,
            "shortcuts": [tried.to_json() for tried in self.shortcuts],
            "differences": [tried.to_json() for tried in self.differences],
            "copies": self.copies,
            "repeat_patients": self.repeats,
            "tried": [tried.to_json() for tried in self.tried],
            "not_looked_at": self.missing,
            "not_tried": self.not_tried,
        }
