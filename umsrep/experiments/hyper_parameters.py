"""The hyper-parameters of each network in a table (GG-CAM's Table 1)."""

import pandas as pd

from umsrep.experiments.attention import organ_names


def hyper_parameters(candidates, gaze=None):
    """What each network was trained with, a column per network.

    The paper's Table 1 lists what was optimized for each network: learning
    rate, patience P and, with supervised maps, the initial sigma and the blur.

    Args:
        candidates: `repeats.Candidate`s.
        gaze: {map task: its entry of the data set's header}, or None.

    Returns:
        Data frame of text; a dash where a network has no such parameter.
    """
    columns = {}
    for candidate in candidates:
        settings = candidate.settings
        supervised = settings.attention is not None
        columns[candidate.name] = {
            "Optimizer": str(settings.optimizer),
            "Learning rate": f"{settings.learning_rate:g}",
            "P, epochs without a gain": str(settings.patience),
            "Batch size": str(settings.batch_size),
            "Epochs, at most": f"{settings.epochs:,}",
            "Initial σ of the attention": (
                f"{settings.attention_sigma:.3g}" if supervised else "–"
            ),
            "Maps supervised by": (
                " / ".join(organ_names(settings.attention))
                if supervised
                else "–"
            ),
            "Blur of the gaze, σ in pixels of the original": (
                _blur(settings.attention, gaze or {}) if supervised else "–"
            ),
        }
    return pd.DataFrame(columns).rename_axis("Hyper-parameters")


def _blur(attention, gaze):
    widths = [
        f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        for name in organ_names(attention)
        if name in gaze
        for low, high in [gaze[name]["sigma_pixels"]]
    ]
    return " / ".join(widths) or "–"
