"""Labels that are wrong at times: what is drawn under a label."""


def label_of(finding, classes):
    """The class that a finding belongs to.

    Args:
        finding: One of `drawing.FINDINGS`.
        classes: {class: findings that it may show}, as of a layout's labels.
    """
    return next(name for name, shown in classes.items() if finding in shown)


def drawn_findings(planned, classes, share, rng):
    """The finding to draw for each label, mostly the planned one.

    The files' labels are those of the plan, so that names, order and numbers
    of a set's classes stay what they are; what is drawn belongs to another
    class with probability `share` (symmetric label noise), with equal
    probability to each of the others.

    Args:
        planned: One finding per image.
        classes: {class: findings that it may show}, each planned for at least
            one image.
        share: Probability of a wrong label, 0 to 0.5.
        rng: Random generator, used for this alone.

    Returns:
        List of findings.
    """
    labels = [label_of(finding, classes) for finding in planned]
    members = {name: [] for name in classes}
    for label, finding in zip(labels, planned, strict=True):
        members[label].append(finding)
    drawn = []
    for label, finding in zip(labels, planned, strict=True):
        if rng.random() < share:
            others = [name for name in classes if name != label]
            # As frequent within its class as it is planned.
            found = members[others[rng.integers(len(others))]]
            finding = found[rng.integers(len(found))]
        drawn.append(finding)
    return drawn
