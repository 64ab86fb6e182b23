"""Record pysaliency's values on the maps of `saliency_cases.py`.

pysaliency is not a dependency of the tests: it needs PyTorch on import and,
at 0.2.22, an older NumPy (`np.trapz`) and setuptools (`pkg_resources`). So
its values are in `pysaliency_values.json`, written by

    python -m venv pysaliency-venv
    pysaliency-venv/bin/pip install pysaliency==0.2.22 torch "numpy<2.4" \\
        "setuptools<80"
    pysaliency-venv/bin/python tests/metrics/record_pysaliency.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pysaliency
from pysaliency import metrics
from pysaliency.models import SaliencyMapNormalizingModel
from saliency_cases import cases

VALUES = Path(__file__).with_name("pysaliency_values.json")


class OneMap(pysaliency.SaliencyMapModel):
    """A model with the same map for every image."""

    def __init__(self, values):
        super().__init__(caching=False)
        self.values = values

    def _saliency_map(self, stimulus):
        return self.values


def images(shape):
    """Two images; what they show plays no part."""
    return pysaliency.Stimuli([np.zeros(shape), np.ones(shape)])


def fixated(*per_image):
    """pysaliency's fixations from an (n, 2) array for each image."""
    x, y = np.concatenate(per_image).T
    n = np.repeat(np.arange(len(per_image)), [len(xy) for xy in per_image])
    return pysaliency.Fixations.create_without_history(x, y, n)


def area(predicted, fixations, **options):
    """The area of the first image."""
    return OneMap(predicted).AUC_per_image(
        images(predicted.shape), fixations, **options
    )[0]


def record(target, predicted, baseline, fixations, other_fixations):
    """pysaliency's values under the names of `saliency_metrics`.

    Two more are known by their name in pysaliency.
    """
    x, y = fixations.astype(int).T
    own = fixated(fixations)
    both = fixated(fixations, other_fixations)
    stimuli = images(predicted.shape)
    density = SaliencyMapNormalizingModel(OneMap(predicted))
    return {
        "kld": metrics.image_based_kl_divergence(predicted, target),
        "cc": metrics.CC(predicted, target),
        "sim": metrics.SIM(predicted, target),
        "nss": metrics.NSS(predicted, x, y).mean(),
        "auc_judd": area(predicted, own, nonfixations="unfixated"),
        "shuffled_auc": area(predicted, both, nonfixations="shuffled"),
        "information_gain": density.information_gain(
            stimuli, own, SaliencyMapNormalizingModel(OneMap(baseline))
        ),
        "AUC uniform": area(predicted, own, nonfixations="uniform"),
        "AUC_Judd": OneMap(predicted).AUC_Judd(stimuli, own, jitter=False),
    }


def constants():
    """pysaliency's finite values for maps of ones and of zeros."""
    arguments = cases()["smooth"]
    target, fixations = arguments["true"], arguments["fixations"]
    x, y = fixations.astype(int).T
    zeros, ones = np.zeros(target.shape), np.ones(target.shape)
    own = fixated(fixations)
    kld = metrics.image_based_kl_divergence
    return {
        "kld of predicted zeros": kld(zeros, target),
        "kld of target zeros": kld(target, zeros),
        "cc of predicted ones": metrics.CC(ones, target),
        "sim of predicted zeros": metrics.SIM(zeros, target),
        "nss of ones": metrics.NSS(ones, x, y).mean(),
        "auc_judd of ones": area(ones, own, nonfixations="unfixated"),
    }


if __name__ == "__main__":
    groups = {name: record(**given) for name, given in cases().items()}
    groups["constants"] = constants()
    recorded = {
        "pysaliency": version("pysaliency"),
        "values": {
            group: {name: float(value) for name, value in values.items()}
            for group, values in groups.items()
        },
    }
    VALUES.write_text(json.dumps(recorded, indent=2) + "\n")
