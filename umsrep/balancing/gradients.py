"""The tasks' gradients apart, and one of them for the encoder.

A step of training computes one gradient, of the sum of the losses. Where the
representation's features go to the heads, though, each head has sent back a
gradient of its own, which is then summed. A layer at this place hands every
head its own copy of the features, and in the backward pass weights what comes
back:

    dL/dz = sum_i w_i g_i,  w = w(G),  G_ij = <g_i, g_j>

with z the encoder's features and g_i = dL_i/dz. The methods of gradient surgery
choose weights by the Gramian G alone: every one of their results is a sum of
the tasks' gradients (Quinton & Rey 2024). So the encoder's weights get exactly
`sum_i w_i dL_i/dtheta`, the heads get their own task's gradient, and neither
`train_step` nor the optimizer is any different, on every backend.

The Gramian is that of gradients with respect to features, not to the encoder's
weights, which would need a backward pass through the encoder for each task
(Sener & Koltun 2018, Section 3.3, use features for the same reason). Two
tasks in conflict on features are usually so on weights, but what a method
guarantees, it guarantees on features.

Time: one backward pass through heads and encoder, as ever, and K (K + 1) / 2
inner products. Memory: the gradients of the encoder's features of K tasks at
once instead of their sum, K - 1 times a batch of features more. Those of the
default autoencoder at 128 x 128 pixels have 0.48 MiB per image: three tasks of
16 images take 15 MiB. Nothing of the size of the encoder's weights is kept.
"""

import keras
from keras import ops

from umsrep import backend
from umsrep.balancing.base import Balancer
from umsrep.errors import UmsrepError


class GradientBalancer(Balancer):
    """Weighs the tasks' gradients where they meet the encoder (abstract).

    A subclass implements `gradient_weights(gramian)`. The loss is the sum of
    the tasks' losses, and the weights' scale is that of a sum: all 1 where no
    gradients are in conflict. A task absent from a batch has gradient 0, and
    changes nothing for the others.

    Each head that reads "decoded" gets a pass of the decoder for itself, whose
    weights then get the sum of their tasks' gradients.
    """

    needs_encoder = True

    def gradient_weights(self, gramian):
        """(K,) tensor of the tasks' weights.

        Args:
            gramian: (K, K) float32 inner products of the tasks' gradients;
                row and column of a task without a label are 0.
        """
        raise NotImplementedError

    def branch(self, representation, heads):
        if len(heads) < 2:
            return {}
        for head in heads:
            others = set(head.feature_names) - set(representation.features)
            if others:
                raise UmsrepError(
                    f"Balancer '{self.name}' with head '{head.name}', which "
                    f"reads {sorted(others)}: it treats gradients of heads "
                    "apart, which read the representation's features "
                    f"{representation.features} and not what another head "
                    "provides. Use another balancer, or other features."
                )
        sources = _learnt_sources(representation, heads)
        if not sources:
            return {}
        layer = _Branches(
            len(heads), self.combine, name=f"{self.name}_branches"
        )
        copies = layer([representation.output[name] for name in sources])
        return {
            head.name: _read(
                representation, head, dict(zip(sources, copy, strict=True))
            )
            for head, copy in zip(heads, copies, strict=True)
        }

    def combine(self, gradients):
        """One gradient per feature, from a list of them for each task."""
        size = len(gradients)
        rows = [[ops.cast(g, "float32") for g in row] for row in gradients]
        products = {}
        for i in range(size):
            for j in range(i, size):
                products[i, j] = products[j, i] = sum(
                    ops.sum(a * b)
                    for a, b in zip(rows[i], rows[j], strict=True)
                )
        gramian = ops.stack(
            [
                ops.stack([products[i, j] for j in range(size)])
                for i in range(size)
            ]
        )
        # Of the whole batch, where several devices share it.
        weights = self.gradient_weights(backend.sum_over_replicas(gramian))
        return [
            ops.cast(
                sum(weights[k] * row[place] for k, row in enumerate(rows)),
                gradients[0][place].dtype,
            )
            for place in range(len(rows[0]))
        ]

    def call(self, losses, present):
        return sum(losses.values())


class _Branches(keras.layers.Layer):
    """Copies of features, one for each head; in inference, themselves."""

    def __init__(self, count, combine, **kwargs):
        super().__init__(**kwargs)
        self.count, self.combine = count, combine

    def call(self, features, training=None):
        if not training:
            return [list(features) for _ in range(self.count)]
        return backend.branches(features, self.count, self.combine)

    def compute_output_spec(self, features, training=None):
        return [
            [keras.KerasTensor(x.shape, dtype=x.dtype) for x in features]
            for _ in range(self.count)
        ]


def _learnt_sources(representation, heads):
    """The encoder's features that heads are computed from, in order."""
    names = dict.fromkeys(
        source
        for head in heads
        for feature in head.feature_names
        for source in representation.sources(feature)
    )
    # Nothing learns from the gradient of a feature without weights, such as
    # an image's own intensity.
    return [
        name
        for name in names
        if keras.Model(
            representation.input, representation.output[name]
        ).weights
    ]


def _read(representation, head, branch):
    """{feature: tensor} of what a head reads, from its own branch."""
    found = {}
    for feature in head.feature_names:
        sources = representation.sources(feature)
        if sources == (feature,):
            found |= {name: branch[name] for name in sources if name in branch}
        else:
            found[feature] = representation.decode(
                {
                    name: branch.get(name, representation.output[name])
                    for name in sources
                }
            )
    return found
