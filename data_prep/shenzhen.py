"""Shenzhen Hospital chest X-ray set (NLM), with the lung masks of Stirenko.

Layouts read, each from its own folder or from one above it:

- the original `ChinaSet_AllFiles/CXR_png/CHNCXR_NNNN_L.png`, also nested
  twice as on Kaggle (kmader/pulmonary-chest-xray-abnormalities);
- the masks of Kaggle yoctoman/shcxr-lung-mask,
  `mask/mask/CHNCXR_NNNN_L_mask.png`: put both under one folder;
- `Lung Segmentation/{CXR_png,masks,test}` of Kaggle
  nikhilpandey360/chest-xray-masks-and-labels, where both NLM sets are mixed;
- `images/` and `mask/`.

L is 0 for normal and 1 for abnormal (manifestations of tuberculosis). Of 662
images 566 have a lung mask.
"""

from data_prep import register
from data_prep._common import (
    NLM_CITATION,
    NLM_TASKS,
    add_nlm_images,
    find_nlm_files,
)
from umsrep.data.prepared import SourceDescription
from umsrep.data.writer import PreparedWriter

TASKS = NLM_TASKS
DESCRIPTION = SourceDescription(
    title="Shenzhen Hospital Chest X-ray Set",
    url="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-"
    "Datasets/Shenzhen-Hospital-CXR-Set/index.html",
    citation=NLM_CITATION
    + ' Masks: S. Stirenko et al., "Chest X-ray analysis of tuberculosis by '
    'deep learning with segmentation and augmentation", IEEE ELNANO 2018, '
    "arXiv:1803.01199.",
    licence="Images: no formal licence, free for research, treat as not "
    "redistributable. Masks: CC BY-NC-SA 4.0, according to their authors.",
    modality="chest X-ray",
    terms="Attribute to: National Library of Medicine, National Institutes "
    "of Health, Bethesda, MD, USA and Shenzhen No. 3 People's Hospital, "
    "Guangdong Medical College, Shenzhen, China.",
)
LOOKED_FOR = "CHNCXR_NNNN_L.png (L = 0 or 1)"


@register("shenzhen")
def convert(source, out, progress=None, **options) -> dict:
    """Converts the Shenzhen set: tasks `lung` and `abnormality`, no split.

    Every image counts as a patient of its own: no repeats are known.

    Args:
        source: The set's folder, or one above it.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        options: Options of `PreparedWriter`: size, fit, on_error, sixteen_bit.

    Returns:
        The header (`dataset.json`) of the new data set.

    Raises:
        UmsrepError: nothing found, or a bad file (`on_error="stop"`).
    """
    found = find_nlm_files(source, "CHNCXR", LOOKED_FOR)
    writer = PreparedWriter(out, "shenzhen", TASKS, DESCRIPTION, **options)
    with writer:
        add_nlm_images(writer, found, progress=progress)
    return writer.header
