"""Contestants of (a) in Keras: this toolkit's defaults, and plain Keras's.

Both train the same two networks on the same arrays: the denoising autoencoder
(preset "small" of `ConvAutoencoder`, 256x256) and a U-Net (width 16, depth 5,
128x128) with a segmentation neuron, batch 16. A trial takes smaller images.
"""

import numpy as np

BATCH = 16
SIDES = {"cdae": 256, "unet": 128}
NETWORKS = tuple(SIDES)
FILTERS = (16, 32, 64, 128, 128, 128)
WIDTH, DEPTH = 16, 5


def arrays(network, batches, seed=0, side=None):
    """(images in [0, 255], targets), float32, channels last.

    Args:
        network: One of `NETWORKS`.
        batches: How many batches of `BATCH` images.
        seed: Seed of the images.
        side: Height and width in pixels; None is that of `SIDES`.
    """
    rng = np.random.default_rng(seed)
    side = side or SIDES[network]
    shape = (batches * BATCH, side, side, 1)
    targets = rng.uniform(0, 1, shape).astype(np.float32)
    images = targets * 255 + rng.normal(0, 20, shape).astype(np.float32)
    if network == "unet":
        targets = np.round(targets)
    return images.clip(0, 255), targets


class Plain:
    """Plain Keras with its defaults: float32, its own layers, `fit`."""

    def __init__(self, network, batches, side=None):
        import keras

        keras.utils.set_random_seed(0)
        x, y = arrays(network, batches, side=side)
        self.images, self.targets = x, y
        build = _plain_cdae if network == "cdae" else _plain_unet
        self.model = build(keras, x.shape[1:])
        if network == "cdae":
            self.model.compile("rmsprop", "mse")
        else:
            self.model.compile("adam", "binary_crossentropy")
        self.run()

    def parameters(self):
        return int(sum(np.prod(v.shape) for v in self.model.trainable_weights))

    def run(self):
        """One epoch."""
        self.model.fit(
            self.images, self.targets, batch_size=BATCH, epochs=1, verbose=0
        )


def _plain_block(keras, x, filters, strides=1):
    x = keras.layers.Conv2D(filters, 3, strides=strides, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.layers.ReLU()(x)


def _plain_cdae(keras, shape):
    image = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 255)(image)
    stages = []
    for filters in FILTERS:
        x = _plain_block(keras, x, filters, strides=2)
        stages.append(x)
    for index in range(len(FILTERS) - 1, -1, -1):
        filters = FILTERS[max(index - 1, 0)]
        x = _plain_block(keras, x, filters)
        x = keras.layers.UpSampling2D(2)(x)
        if index:
            x = keras.layers.Add()([x, stages[index - 1]])
    x = keras.layers.Conv2D(1, 3, padding="same")(x)
    return keras.Model(image, x)


def _plain_unet(keras, shape):
    image = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 255)(image)
    skips = []
    for level in range(DEPTH):
        if level:
            x = keras.layers.MaxPooling2D(2)(x)
        for _ in range(2):
            x = _plain_block(keras, x, WIDTH * 2**level)
        skips.append(x)
    for level in range(DEPTH - 2, -1, -1):
        x = keras.layers.UpSampling2D(2)(x)
        x = _plain_block(keras, x, WIDTH * 2**level)
        x = keras.layers.Concatenate()([skips[level], x])
        for _ in range(2):
            x = _plain_block(keras, x, WIDTH * 2**level)
    x = keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(image, x)


class Toolkit:
    """The toolkit as its users run it: its loop, layers and precision.

    Args:
        network, batches, side: As of `arrays`; an epoch has so many batches.
        precision: As `umsrep.precision.use`.
        plain_norm: Keras's own batch normalisation instead of the fused
            kernel (an ablation).
        xla: XLA on (an ablation).
    """

    def __init__(
        self,
        network,
        batches,
        side=None,
        precision="auto",
        plain_norm=False,
        xla=None,
    ):
        import keras

        import umsrep
        from umsrep import backend, losses
        from umsrep.precision import use
        from umsrep.training import Lane

        use(precision)
        keras.utils.set_random_seed(0)
        if plain_norm:
            backend.fused_batch_norm = lambda *arguments: None
        x, y = arrays(network, batches, side=side)
        if network == "cdae":
            representation = umsrep.representations.ConvAutoencoder(
                x.shape[1:], normalization="none"
            )
            head = umsrep.heads.ReconstructionHead("task")
        else:
            representation = umsrep.representations.UNet(
                x.shape[1:], width=WIDTH, depth=DEPTH, normalization="none"
            )
            head = umsrep.heads.SegmentationHead(
                "task", loss=losses.BCEDice(dice_weight=0.0)
            )
        self.model = umsrep.MultiTaskModel(representation, [head])
        self.model.compile(
            "rmsprop" if network == "cdae" else "adam",
            jit_compile=self.model.jit(xla),
        )
        data = FixedBatches(x, {"task": y})
        self.lane = Lane("task", self.model, data, NoBatches())
        self.run()

    def parameters(self):
        from umsrep.finetuning.parameters import count

        return count(self.model)

    def run(self):
        """One epoch."""
        from umsrep.training import Group, Schedule, train

        train([Group([self.lane], Schedule())], epochs=1, progress=False)

    def limits(self):
        """What bounds the figures of this network; see `benchmarks.limits`."""
        import keras

        from benchmarks import limits

        precision = keras.config.dtype_policy().compute_dtype
        return {
            "precision": precision,
            "operations_per_image": limits.operations(self.model),
            "matmul_per_second": limits.matmul_rate(precision),
            "shares": limits.profile(self.run),
        }


class FixedBatches:
    """Arrays in the interface of `umsrep.data.Batches`.

    Args:
        images: (n, height, width, channels).
        targets: {task: array}.
        weights: {task: (n,) 1 where labelled}; default: all.
    """

    features = None

    def __init__(self, images, targets, weights=None, batch=BATCH):
        self.images, self.targets, self.batch = images, targets, batch
        one = np.ones(len(images), np.float32)
        self.weights = weights or dict.fromkeys(targets, one)

    def __len__(self):
        return len(self.images) // self.batch

    def set_epoch(self, epoch):
        """The same batches every epoch."""

    def __getitem__(self, number):
        here = slice(number * self.batch, (number + 1) * self.batch)
        return (
            self.images[here],
            {task: y[here] for task, y in self.targets.items()},
            {task: w[here] for task, w in self.weights.items()},
        )


class NoBatches(FixedBatches):
    """No validation: what is measured is training."""

    def __init__(self):
        super().__init__(np.zeros((0, 1, 1, 1)), {})
