"""What the chest X-ray part of UMS-Rep says of construction and heads.

Source: Zamzmi, Rajaraman, Antani, "UMS-Rep: Unified modality-specific
representation for efficient medical image analysis" (2021), Sections 3.1.1,
3.2.3 and 4.1. No command of its own: `umsrep pretrain --preset paper
--fractions 0.7 0.2 0.1` constructs the same.
"""

from umsrep.stages.settings import PretrainSettings

# The denoising autoencoder (Section 4.1.1). RMSprop is the objective's own.
# Ours, since the paper says no number: both patiences and the most epochs.
CONSTRUCTION = PretrainSettings(
    architecture="conv_autoencoder",
    arguments={"preset": "paper"},
    batch_size=16,
    learning_rate=1e-3,
    patience=3,
    stop_patience=8,
    epochs=50,
    fractions=(0.7, 0.2, 0.1),
)
# Fields of `FinetuneSettings` (Sections 3.2.3 and 4.1.2): average, dense,
# dropout, softmax on the encoder; a sigmoid neuron on the whole autoencoder.
# Ours: how many hidden units, and the share that is dropped.
HEADS = {
    "classifier": "dense",
    "classification_features": "bottleneck",
    "segmentation_features": "decoded",
    "convolutions": (),
    "hidden_units": 256,
    "dropout": 0.5,
}
