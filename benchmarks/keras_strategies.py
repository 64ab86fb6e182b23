"""Contestants of the overhead of the strategies: our loop, a hand-written one.

Both train the same networks (autoencoder "small", a lung mask and a finding)
on the same arrays with the same optimizers.
"""

import numpy as np

from benchmarks.keras_training import BATCH, FixedBatches, NoBatches


class Loop:
    """A strategy over fixed arrays.

    Args:
        strategy: "joint" or "alternating".
        hand_written: A plain loop with `tf.function` instead of
            `umsrep.training.train`.
        size: Side of the images.
        batches: Batches per epoch and task.
    """

    def __init__(self, strategy, hand_written, size=128, batches=8):
        import keras

        import umsrep
        from umsrep.precision import use
        from umsrep.training import Lane

        use("auto")
        keras.utils.set_random_seed(0)
        rng = np.random.default_rng(0)
        count = batches * BATCH
        x = rng.uniform(0, 255, (count, size, size, 1)).astype(np.float32)
        y = {
            "lung": np.round(x / 255),
            "finding": rng.integers(0, 2, count).astype(np.int32),
        }
        representation = umsrep.representations.ConvAutoencoder((size, size, 1))
        model = umsrep.MultiTaskModel(
            representation,
            [
                umsrep.heads.SegmentationHead("lung"),
                umsrep.heads.ClassificationHead(2, "finding"),
            ],
        )
        if strategy == "joint":
            views = [model]
        else:
            views = [model.view("lung"), model.view("finding")]
        self.lanes = []
        for view in views:
            view.compile("adam")
            targets = {task: y[task] for task in view.tasks}
            data, name = FixedBatches(x, targets), "_".join(view.tasks)
            self.lanes.append(Lane(name, view, data, NoBatches(), 1))
        self.steps = [_hand_written(view) for view in views]
        self.hand_written = hand_written
        self.run()

    def run(self):
        """One epoch."""
        if self.hand_written:
            for number in range(len(self.lanes[0].training)):
                for lane, step in zip(self.lanes, self.steps, strict=True):
                    float(step(*lane.training[number]))
            return
        from umsrep.training import Group, Schedule, train

        train([Group(self.lanes, Schedule())], epochs=1, progress=False)


def _hand_written(model):
    """What one would write without the toolkit's loop."""
    import tensorflow as tf

    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images, targets, weights):
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = model.compute_loss(images, targets, outputs, weights)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return step
