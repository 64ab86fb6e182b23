"""The report's section on shortcuts, copies and repeat patients."""

from umsrep.report.embedding import embedded


def section(audit):
    """What the audit of a data set found.

    Args:
        audit: An `evaluation.audit_folder.AuditFolder`.
    """
    info = audit.info
    repeats = info.get("repeat_patients") or {}
    return {
        "data": audit.data,
        "shortcuts": [_words(entry) for entry in info["shortcuts"]],
        "differences": [_words(e) for e in info.get("differences") or []],
        "rows": sorted(
            info["tried"], key=lambda row: (row["task"], -row["auc"])
        ),
        "folds": info.get("folds"),
        "copies": len(info["copies"]),
        "copied_patients": sum(
            len(entry["patients"]) > 1 for entry in info["copies"]
        ),
        "copies_listed": [
            {
                "images": ", ".join(entry["images"]),
                "patients": ", ".join(entry["patients"]),
            }
            for entry in info["copies"][:20]
        ],
        "repeats": repeats,
        "missing": sorted((info.get("not_looked_at") or {}).items()),
        "pictures": [
            (embedded(picture), picture.caption) for picture in audit.pictures
        ],
    }


def _words(entry):
    return f"{entry['task']} from {entry['from']} (AUC {entry['auc']:.2f})"
