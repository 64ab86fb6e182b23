"""Values of repeated trainings."""

import pandas as pd

A = [0.61, 0.62, 0.63, 0.64, 0.65]
B = [0.51, 0.52, 0.53, 0.54, 0.66]


def frame(**networks):
    return pd.DataFrame(
        [
            {
                "network": network,
                "repeat": repeat,
                "task": "finding",
                "metric": "auc",
                "value": value,
            }
            for network, values in networks.items()
            for repeat, value in enumerate(values)
        ]
    )
