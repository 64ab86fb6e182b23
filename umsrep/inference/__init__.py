"""Inference: images as they are on disk in, results at their own size out."""

from umsrep.inference.opening import open
from umsrep.inference.run_predictor import RunPredictor
from umsrep.predictor import Predictor

__all__ = ["Predictor", "RunPredictor", "open"]
