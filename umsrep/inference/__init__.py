"""Inference: images as they are on disk in, results at their own size out."""

from umsrep.inference.predictor import Predictor

__all__ = ["Predictor"]
