"""A self-contained HTML page from what the commands write.

Run, evaluation, audit and learning-curve folders.

The page holds its style and its pictures, loads nothing, runs no script, and
names no path of the machine it was made on. What a folder lacks is stated on
the page.
"""

import re
from pathlib import Path

import jinja2
import pandas as pd

from umsrep import tasks
from umsrep.data.storage import write_text
from umsrep.errors import UmsrepError
from umsrep.evaluation import summary
from umsrep.evaluation.audit_folder import AuditFolder
from umsrep.evaluation.curve_folder import LearningCurve
from umsrep.evaluation.folder import Evaluation
from umsrep.figures.curves import has_losses, training_curves
from umsrep.report import (
    audits,
    diagnostics,
    first_stage,
    learning_curves,
    results,
)
from umsrep.report.embedding import figure_uri
from umsrep.report.pictures import sections
from umsrep.runs.folder import Run

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(folders, out, title="UMS-Rep report"):
    """Writes the report.

    Args:
        folders: Paths of run, evaluation, audit and learning-curve folders,
            one or many, in the order in which they are to appear.
        out: Path of the HTML file; an existing file is replaced.
        title: Heading of the page.

    Returns:
        The path `out`.

    Raises:
        UmsrepError: no folder, a folder that is neither kind or of another
            format version, or a broken file in one.
    """
    if not folders:
        raise UmsrepError(
            "Got no folder to report on. Pass at least one run folder or "
            "evaluation folder."
        )
    write_text(out, render(folders, title))
    return Path(out)


def render(folders, title="UMS-Rep report"):
    """The report as HTML text; arguments and errors as `write_report`."""
    folders = summary.read_folders(folders)
    evaluations = [f for f in folders if isinstance(f, Evaluation)]
    names = summary.labels(evaluations)
    named = list(zip(names, evaluations, strict=True))
    groups = {}
    for name, evaluation in named:
        groups.setdefault(evaluation.data, []).append((name, evaluation))
    frame = summary.summary_table(folders)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": summary.text,
        "p_value": results.p_value,
        "signed": results.signed,
        "ends": results.ends,
    }
    environment.tests["missing"] = pd.isna
    constructed = [
        (run, _run_name(run, folders))
        for run in summary.pretraining_runs(folders)
    ]
    reconstruction = [
        first_stage.reconstruction(run, name)
        for run, name in constructed
        if run.reconstructs
    ]
    return environment.get_template("report.html").render(
        title=title,
        notes_on_metrics=_notes_on_metrics(evaluations),
        groups=[
            results.section(data, members, frame[frame["data"] == data])
            for data, members in groups.items()
        ],
        cohorts=diagnostics.cohorts(
            [(name, info) for name, info, _ in _trainings(folders, named)]
            + [(f"evaluation of {n}", e.info) for n, e in named]
        ),
        audits=[
            audits.section(f) for f in folders if isinstance(f, AuditFolder)
        ],
        learning_curves=[
            learning_curves.section(f)
            for f in folders
            if isinstance(f, LearningCurve)
        ],
        costs=_costs(folders, named),
        reconstruction=reconstruction,
        reconstruction_title="Denoising"
        if all(run["denoises"] for run in reconstruction)
        else "Reconstruction",
        construction=first_stage.construction(constructed),
        features=first_stage.features(constructed),
        curves=_curves(folders, named),
        pictures=sections(named),
        environments=_environments(folders, named),
        runs=_settings(folders, named),
        notes=_notes(folders, named),
    )


def _notes_on_metrics(evaluations):
    """What a reader must know of the metrics of the kinds on the page."""
    kinds = dict.fromkeys(s.kind for e in evaluations for s in e.tasks)
    return " ".join(tasks.get(kind).note for kind in kinds)


def _trainings(folders, named):
    """(name, run.json, history) of each training once.

    An evaluation folder holds a copy of its run's, so a run that is given
    itself and through its evaluations counts once.
    """
    entries = [
        (_run_name(f, folders), f.info, f.history)
        for f in folders
        if isinstance(f, Run)
    ] + [(name, e.run, e.history) for name, e in named if e.run]
    unique, seen = [], []
    for name, info, history in entries:
        # The copy adds where the run was.
        identity = {k: v for k, v in info.items() if k != "folder"}
        if identity not in seen:
            seen.append(identity)
            unique.append((name, info, history))
    return unique


def _run_name(run, folders):
    """ "joint", or with its folder where several would be called so."""

    def plain(run):
        if run.info.get("kind") == "pretrain":
            return summary.PRETRAINING
        return str(run.info.get("strategy") or run.path.resolve().name)

    runs = [folder for folder in folders if isinstance(folder, Run)]
    if sum(plain(other) == plain(run) for other in runs) > 1:
        return f"{plain(run)} ({run.path.resolve().name})"
    return plain(run)


def _costs(folders, named):
    """Table 4 of the paper: time, budget and parameters of each training."""
    rows = [
        {
            "name": name,
            "epochs": summary.number(info.get("epochs_run")),
            **summary.cost(info),
            "time_parts": _parts(info.get("seconds_by_task")),
            "steps": _parts(info.get("steps_by_task")),
            "labels": _parts(info.get("labels_by_task")),
            "parts": _parts(info.get("trainable_parameters")),
        }
        for name, info, _ in _trainings(folders, named)
    ]
    total = pd.DataFrame(rows, columns=["seconds"])["seconds"].sum()
    return {"rows": rows, "seconds": total}


def _parts(counts):
    if not isinstance(counts, dict):
        return []
    return [
        (part, summary.number(count))
        for part, count in counts.items()
        if part != "total"
    ]


def _curves(folders, named):
    return [
        (
            name,
            figure_uri(training_curves(history))
            if has_losses(history)
            else None,
        )
        for name, _, history in _trainings(folders, named)
        if history is not None
    ]


def _environments(folders, named):
    """Data, seed, versions and machine, once for all runs that share them."""
    groups = {}
    for name, info, _ in _trainings(folders, named):
        data = info.get("data")
        data = data if isinstance(data, list) else [data]
        key = (
            ", ".join(
                str(d["name"])
                for d in data
                if isinstance(d, dict) and d.get("name")
            ),
            str(info.get("seed", "not recorded")),
            _sentence(info.get("versions")),
            _sentence(info.get("machine")),
        )
        groups.setdefault(key, []).append(name)
    return [
        {
            "names": ", ".join(names),
            "data": data or "not recorded",
            "seed": seed,
            "versions": versions,
            "machine": machine,
        }
        for (data, seed, versions, machine), names in groups.items()
    ]


def _settings(folders, named):
    return [
        {
            "name": name,
            "tasks": ", ".join(map(str, info.get("tasks") or [])),
            "config": _pairs(info.get("config")),
        }
        for name, info, _ in _trainings(folders, named)
    ]


def _sentence(value):
    pairs = [f"{name} {text}" for name, text in _pairs(value) if text != "None"]
    return ", ".join(pairs) or "not recorded"


def _pairs(value, prefix=""):
    """Nested settings as (dotted name, text); paths lose their folders."""
    if not isinstance(value, dict):
        return []
    pairs = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict):
            pairs += _pairs(item, f"{name}.")
        else:
            pairs.append((name, _plain(item)))
    return pairs


def _plain(item):
    if isinstance(item, (list, tuple)):
        return ", ".join(_plain(part) for part in item)
    text = str(item)
    if re.match(r"[/~\\]|\.{1,2}[/\\]|[A-Za-z]:[/\\]", text):
        return re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    return text


def _notes(folders, named):
    names = {id(evaluation): name for name, evaluation in named}
    names |= {
        id(f): f"{words} {f.data}"
        for f in folders
        for kind, words in (
            (AuditFolder, "audit of"),
            (LearningCurve, "learning curve on"),
        )
        if isinstance(f, kind)
    }
    return [
        (names.get(id(f)) or _run_name(f, folders), note)
        for f in folders
        for note in f.notes
    ]
