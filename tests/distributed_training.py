"""A process of tests/test_distribution.py: trains, and stores what came out.

    python distributed_training.py NAME PREPARED OUT.npz

Two logical CPU devices stand for a machine's devices.
"""

import sys

import keras
import numpy as np

BATCH_SIZE = 6


def build(balancer):
    from umsrep import MultiTaskModel
    from umsrep.heads import ClassificationHead, SegmentationHead
    from umsrep.representations import ConvAutoencoder

    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            # Dropout draws one mask per device, so it cannot be equal.
            ClassificationHead(
                2, "level", convolutions=(8,), hidden_units=4, dropout=0.0
            ),
        ],
        balancer,
    )


def main(name, prepared, out):
    from umsrep import data, distribution, finetuning
    from umsrep.balancing import FAMO, PCGrad, UncertaintyWeighting
    from umsrep.evaluation.frozen_features import Reader
    from umsrep.stages.watching import FeatureStatistics
    from umsrep.training import Schedule

    train, validation, _ = data.load(prepared).split(
        fractions=(0.6, 0.4, 0), seed=1
    )
    # The last batch of a task does not divide by two.
    validation = validation.subset(np.arange(len(validation)) < 13)
    found = {}
    devices = distribution.use(name)
    found["count"] = devices.count
    for key, strategy, balancer in (
        ("Joint", finetuning.Joint, UncertaintyWeighting),
        ("FAMO", finetuning.Joint, FAMO),
        ("PCGrad", finetuning.Joint, PCGrad),
        ("Alternating", finetuning.Alternating, lambda: None),
        ("Independent", finetuning.Independent, lambda: None),
    ):
        keras.utils.set_random_seed(3)
        with devices:
            model = build(balancer())
            history = (
                strategy("sgd", Schedule(5e-2))
                .fit(
                    model,
                    train,
                    validation,
                    epochs=2,
                    batch_size=BATCH_SIZE,
                    progress=False,
                )
                .table
            )
            for i, value in enumerate(model.get_weights()):
                found[f"{key} weight {i}"] = value
            images, _, _ = validation.batches(5)[0]
            for task, value in model.predict_on_batch(images).items():
                found[f"{key} predicted {task}"] = value
            # What is watched while a representation is constructed.
            reader = Reader(model.representation)
            found[f"{key} pooled"], cells = reader.read(validation)
            found[f"{key} shape of cells"] = cells.shape
            watched = FeatureStatistics(model, validation)
            found[f"{key} averaged"] = watched.averaged()
        for column in history.columns:
            if column.endswith("_loss") or column.startswith(
                ("sigma", "loss_weight")
            ):
                found[f"{key} {column}"] = history[column].to_numpy()
        model.save(f"{out}-{key}.keras")
    np.savez(out, **found)


if __name__ == "__main__":
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
    main(*sys.argv[1:])
