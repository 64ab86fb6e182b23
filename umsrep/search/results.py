"""The results of a scan: table, picture, and the best settings."""

import math

import pandas as pd

from umsrep.data import storage
from umsrep.errors import UmsrepError
from umsrep.figures.parallel_coordinates import parallel_coordinates
from umsrep.figures.style import save
from umsrep.search import jobs
from umsrep.search.space import text
from umsrep.stages import settings_file


def write_results(folder, plan, finished=True):
    """Writes results.csv, results.md, parallel.png and best.yaml.

    Args:
        folder: A `ScanFolder`.
        plan: A `ScanPlan`.
        finished: Whether all rounds are done; otherwise what is there is
            written.

    Returns:
        (table, record of the best round).

    Raises:
        UmsrepError: no round has a result, though all are done.
    """
    found = folder.records()
    # Records of an earlier space, whose rounds stay on the disk.
    others = [r for r in found if not of_space(r["chosen"], plan.space)]
    records = [r for r in found if r not in others]
    records = ranked(records, plan.objective)
    rows = table(records, plan.objective)
    storage.write_csv(folder.path / "results.csv", rows)
    storage.write_text(
        folder.path / "results.md", page(rows, plan, finished, len(others))
    )
    good = [r for r in records if r["status"] == "complete"]
    if not good:
        if finished:
            raise UmsrepError(
                f"All {len(records)} rounds failed; the first: "
                f"{records[0]['reason']} Fix the search space; the logs are in "
                f"{folder.path / 'rounds'}."
            )
        return rows, None
    best = good[0]
    save(picture(records, plan), folder.path / "parallel.png", dpi=140)
    _write_best(folder, plan, best, records)
    return rows, best


def picture(records, plan):
    """The rounds as lines through their settings.

    Args:
        records: As returned by `ranked`: the best first; at least one is
            complete.
        plan: A `ScanPlan`.

    Returns:
        A matplotlib figure.
    """
    rounds = [
        (
            {name: text(value) for name, value in record["chosen"].items()},
            record["objective"] if record["status"] == "complete" else None,
        )
        for record in records
    ]
    return parallel_coordinates(
        rounds,
        {name: list(map(text, found)) for name, found in plan.space.items()},
        str(plan.objective),
        plan.objective.direction == "min",
        plan.name,
    )


def of_space(chosen, space):
    """Whether a round has the settings of a space, with its values."""
    chosen, space = storage.plain(chosen), storage.plain(space)
    return chosen.keys() == space.keys() and all(
        value in space[name] for name, value in chosen.items()
    )


def ranked(records, objective):
    """Records with their "objective", the best first, failed ones last.

    A round whose figure is not defined, such as an AUC of one class, counts
    as failed.
    """
    result = []
    for record in records:
        value = math.nan
        if record["status"] == "complete":
            value = objective.value(record)
            if not math.isfinite(value):
                record = {
                    **record,
                    "status": "failed",
                    "reason": f"{objective} is not defined on these images.",
                }
        result.append({**record, "objective": value})

    def order(record):
        failed = record["status"] != "complete"
        value = 0.0 if failed else objective.sign * record["objective"]
        return failed, value, record["key"]

    return sorted(result, key=order)


def table(records, objective):
    """Data frame of results.csv, one row per record."""
    names = list(dict.fromkeys(n for r in records for n in r["chosen"]))
    rows = []
    for rank, record in enumerate(records, start=1):
        done = record["status"] == "complete"
        losses = record.get("losses") or {}
        best = record.get("best_epochs") or {}
        row = {
            "rank": rank if done else "",
            **{
                name: text(record["chosen"][name])
                for name in names
                if name in record["chosen"]
            },
            str(objective): record["objective"],
            **{f"val_{task}_loss": value for task, value in losses.items()},
            "best_epoch": " ".join(
                str(epoch) if len(best) == 1 else f"{group}:{epoch}"
                for group, epoch in best.items()
            ),
            "epochs": record.get("epochs_run"),
            "seconds": record.get("seconds"),
            "parameters": record.get("parameters"),
            "status": record["status"],
            "reason": record.get("reason", ""),
            "key": record["key"],
        }
        rows.append(row)
    frame = pd.DataFrame(rows)
    last = ["best_epoch", "epochs", "seconds", "parameters", "status", "reason"]
    last = [name for name in (*last, "key") if name in frame]
    for name in ("epochs", "parameters"):
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    return frame[[n for n in frame if n not in last] + last]


def page(rows, plan, finished, others=0):
    """The text of results.md; `others` rounds are of an earlier space."""
    failed = int((rows["status"] != "complete").sum()) if len(rows) else 0
    state = "" if finished else " The scan is not finished."
    if others:
        state += f" {others} rounds of an earlier space are not ranked."
    shown = rows.copy()
    for name in shown:
        if shown[name].dtype == float:
            digits = 0 if name == "seconds" else 4
            shown[name] = [
                "" if math.isnan(v) else f"{v:.{digits}f}" for v in shown[name]
            ]
    shown = shown.astype(object).where(shown.notna(), "")
    better = "smaller" if plan.objective.direction == "min" else "larger"
    parts = [
        f"# Scan {plan.name}",
        f"{len(rows)} rounds of the stage {plan.stage} on "
        f"{', '.join(plan.data)}, {failed} of them failed, of a grid of "
        f"{plan.grid} combinations.{state} Ranked by {plan.objective} at "
        f"each round's best epoch; {better} is better. The best of many "
        "rounds looks better on the validation images than it is: judge it on "
        "test images, once.",
        shown.to_markdown(index=False, disable_numparse=True)
        if len(shown)
        else "No round is done.",
    ]
    return "\n\n".join(parts) + "\n"


def _write_best(folder, plan, best, records):
    settings = jobs.settings_of(plan, best["chosen"])
    command = "finetune" if plan.stage == "finetune" else "pretrain"
    done = [r for r in records if r["status"] == "complete"]
    data = " ".join(f"--data {folder}" for folder in plan.data)
    settings_file.write_settings(
        folder.path / "best.yaml",
        plan.stage,
        settings,
        plan.tasks,
        plan.sources,
        {
            "scan": plan.name,
            "objective": str(plan.objective),
            "value": best["objective"],
            "best_epochs": best["best_epochs"],
            "round": best["key"],
            "rounds": len(done),
            "chosen": best["chosen"],
        },
        f"The best round of a scan. Use it with\n"
        f"umsrep {command} --settings best.yaml {data} --out RUN",
    )
