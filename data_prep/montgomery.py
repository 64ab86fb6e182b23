"""Montgomery County chest X-ray set (NLM).

Layouts read, each from its own folder or from one above it:

- the original `MontgomerySet/{CXR_png,ManualMask/leftMask,
  ManualMask/rightMask}/MCUCXR_NNNN_L.png`, also inside `Montgomery/` as on
  Kaggle (kmader/pulmonary-chest-xray-abnormalities); the two masks, one per
  lung, are united;
- `Lung Segmentation/{CXR_png,masks}` of Kaggle
  nikhilpandey360/chest-xray-masks-and-labels, where both NLM sets are mixed;
- `images/` and `mask/`.

L is 0 for normal and 1 for abnormal (manifestations of tuberculosis). The
whole set has 138 images, 80 normal and 58 abnormal.
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
    title="Montgomery County Chest X-ray Set",
    url="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-"
    "Datasets/Montgomery-County-CXR-Set/MontgomerySet/index.html",
    citation=NLM_CITATION,
    licence="No formal licence, free for research, treat as not "
    "redistributable.",
    modality="chest X-ray",
    terms="Attribute to: National Library of Medicine, National Institutes "
    "of Health, Bethesda, MD, USA and the Department of Health and Human "
    "Services, Montgomery County, Maryland, USA.",
)
LOOKED_FOR = "MCUCXR_NNNN_L.png (L = 0 or 1)"

# According to the clinical readings, 0162, 0166 and 0170 are one patient; the
# other pairs resemble each other so much that they may be, and keeping them
# together in a split costs nothing.
SAME_PATIENT = {
    "0166": "0162",
    "0170": "0162",
    "0053": "0052",
    "0223": "0144",
    "0255": "0254",
    "0369": "0367",
}


@register("montgomery")
def convert(source, out, progress=None, **options) -> dict:
    """Converts the Montgomery set: tasks `lung` and `abnormality`, no split.

    Args:
        source: The set's folder, or one above it.
        out: The folder to make.
        progress: `progress(done, total)`, called after each image.
        options: Options of `PreparedWriter`: size, fit, on_error, sixteen_bit.

    Returns:
        The header (`dataset.json`) of the new data set.

    Raises:
        UmsrepError: nothing found, or a bad file (`on_error="stop"`), such as
            the mask of one lung only.
    """
    found = find_nlm_files(source, "MCUCXR", LOOKED_FOR)
    writer = PreparedWriter(out, "montgomery", TASKS, DESCRIPTION, **options)
    with writer:
        add_nlm_images(writer, found, SAME_PATIENT, progress)
    return writer.header
