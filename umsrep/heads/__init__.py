"""Heads: features -> one task."""

from umsrep.heads.attention import AttentionHead
from umsrep.heads.base import Head, registry
from umsrep.heads.cam import CAMHead
from umsrep.heads.classification import ClassificationHead
from umsrep.heads.embedding import EmbeddingHead
from umsrep.heads.linear import LinearHead
from umsrep.heads.reconstruction import ReconstructionHead
from umsrep.heads.regression import RegressionHead
from umsrep.heads.result import ResultHead
from umsrep.heads.saliency import SaliencyHead
from umsrep.heads.segmentation import SegmentationHead

__all__ = [
    "AttentionHead",
    "CAMHead",
    "ClassificationHead",
    "EmbeddingHead",
    "Head",
    "LinearHead",
    "ReconstructionHead",
    "RegressionHead",
    "ResultHead",
    "SaliencyHead",
    "SegmentationHead",
    "registry",
]
