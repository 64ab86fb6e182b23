"""What data an experiment used (UMS-Rep's Table 1)."""


def rows_of(use, data, tasks=None):
    """Rows of the table: one for each task.

    Args:
        use: What the images were used for.
        data: A `data.Dataset` of them.
        tasks: Names of its tasks that were used; None is all, and none is a
            single row of images alone.

    Yields:
        {column: text}.
    """
    own = int((data.table["split"] == "test").sum())
    common = {
        "Use": use,
        "Data": data.name,
        "Images": f"{len(data):,}",
        "Patients": f"{data.table['patient'].nunique():,}",
        "Test images of its own": f"{own:,}" if own else "–",
    }
    if tasks is not None and not tasks:
        yield {**common, "Task": "(images alone)", "Labels": "–"}
        return
    for task in data.summary().itertuples(index=False):
        if tasks is None or task.task in tasks:
            labels = task.classes or f"{task.labelled:,} {task.kind}s"
            yield {**common, "Task": task.task, "Labels": labels}
