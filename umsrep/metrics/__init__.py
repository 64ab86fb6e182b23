"""Every number this toolkit reports, computed in one place each.

NumPy in, plain numbers out; no model, no files, no global state:

- `classification`: accuracy, F-score, MCC, AUC, calibration, ...
- `segmentation`: Dice, IoU, surface distances of one mask
- `saliency`: KLD, CC, SIM, NSS, AUC, information gain of one saliency map
- `regression`: errors of predicted numbers
- `image_quality`: PSNR, SSIM, MS-SSIM
- `attention`: whether an explanation's map points into a mask
- `catalogue`: name, heading, unit and better direction of each
"""

from umsrep.metrics import (
    attention,
    catalogue,
    classification,
    image_quality,
    regression,
    saliency,
    segmentation,
)

__all__ = [
    "attention",
    "catalogue",
    "classification",
    "image_quality",
    "regression",
    "saliency",
    "segmentation",
]
