"""What of a model does not train, for a while."""

import keras


class Frozen:
    """Keeps layers from training, and undoes it at the end of the context.

    A frozen batch norm is in inference mode: it normalises with its moving
    statistics, and neither these nor its scale and offset change.

    Args:
        model: A `MultiTaskModel` or `SeparateModels`.
        batch_norms: Whether those of the encoder are always frozen.
    """

    def __init__(self, model, batch_norms=False):
        models = getattr(model, "models", [model])
        self.representations = [each.representation for each in models]
        self.batch_norms = batch_norms
        self._before = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._undo()

    def choose(self, parts, heads=()):
        """Freezes these parts of the representation and heads, and no others.

        Args:
            parts: Names of parts of the representation.
            heads: Heads, as those that were solved.
        """
        self._undo()
        for head in heads:
            self._freeze(head)
        for representation in self.representations:
            for part in parts:
                for layer in representation.part(part):
                    self._freeze(layer)
            if self.batch_norms and "encoder" not in parts:
                for layer in batch_norms_of(representation):
                    self._freeze(layer)

    def _freeze(self, layer):
        # Setting it sets it for all layers inside, which may differ.
        self._before += [(each, each.trainable) for each in inside(layer)]
        layer.trainable = False

    def _undo(self):
        # A layer comes before those inside it.
        for layer, trainable in self._before:
            layer.trainable = trainable
        self._before = []


def batch_norms_of(representation):
    """The batch norms of a representation's encoder, however deep inside."""
    return [
        layer
        for outer in representation.part("encoder")
        for layer in inside(outer)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def inside(layer):
    """A layer and all layers inside it, outer ones first."""
    return list(layer._flatten_layers())


def encoder_paths(representation):
    """Paths of all variables of the encoder."""
    return [
        variable.path
        for layer in representation.part("encoder")
        for variable in layer.variables
    ]
