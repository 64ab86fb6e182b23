"""Grad-CAM and Grad-CAM++: which regions are evidence for a class."""

from keras import ops

from umsrep import backend
from umsrep.derived.base import registry
from umsrep.derived.explainer import Explainer, one_hot_of
from umsrep.errors import UmsrepError


class _Weighted(Explainer):
    """`ReLU(sum_k w_k A_k)` with weights from the gradient (abstract)."""

    def __init__(
        self,
        task: str,
        class_index: int | None = None,
        feature: str | None = None,
        batch_size: int = 32,
    ):
        super().__init__(task, class_index, batch_size)
        self.feature = feature

    def weights(self, activation, gradient):
        """(batch, 1, 1, channels) from two (batch, rows, columns, channels)."""
        raise NotImplementedError

    def head(self, model):
        head = super().head(model)
        if self.feature not in (None, *head.feature_names):
            raise UmsrepError(
                f"feature='{self.feature}': head '{head.name}' reads "
                f"{head.feature_names}. Choose one of them."
            )
        if getattr(head, "deviations", False):
            raise UmsrepError(
                f"Grad-CAM of head '{head.name}' would leave out what standard "
                "deviations tell: their slope is 0 on average. Use CAM "
                "(--method cam, --explain cam), which is exact, or occlusion."
            )
        return head

    def feature_of(self, model):
        return self.feature or self.head(model).feature_names[0]

    def function(self, model, head):
        names = head.feature_names
        extractor = model.feature_model(names)
        position = names.index(self.feature) if self.feature else 0

        def maps(images, classes):
            features = extractor(images, training=False)
            inputs = [features[name] for name in names]

            def score(activation):
                inputs[position] = ops.cast(activation, inputs[position].dtype)
                logits = head.logits(inputs, training=False)
                return ops.sum(logits * one_hot_of(classes, logits)), logits

            activation = ops.cast(inputs[position], "float32")
            gradient, _ = backend.gradient(score, activation)
            weights = self.weights(activation, gradient)
            return ops.relu(ops.sum(weights * activation, axis=-1))

        return maps


@registry.register("grad_cam")
class GradCAM(_Weighted):
    """Gradient-weighted class activation maps of one classification task.

    `map = ReLU(sum_k w_k A_k)` with `w_k = mean_ij d score / d A_k,ij`
    (Selvaraju et al. 2017, Equations 1 and 2), where A is the feature that the
    head reads and the score is the class's value before the softmax. The map
    is then divided by its maximum (UMS-Rep, Section 4.1.3: the heatmap of the
    winning class in [0, 1]).

    Args:
        feature: Which of the features that the head reads; default: its first.
        task, class_index, batch_size, and call arguments: As for `Explainer`.
    """

    def weights(self, activation, gradient):
        return ops.mean(gradient, axis=(1, 2), keepdims=True)


@registry.register("grad_cam_plus_plus")
class GradCAMPlusPlus(_Weighted):
    """Grad-CAM++ maps, which weight the gradient of each cell individually.

    `map = ReLU(sum_k w_k A_k)` with `w_k = sum_ij a_k,ij ReLU(g_k,ij)` and
    `a = g^2 / (2 g^2 + sum_ab A_ab g^3)`, g the gradient of the score
    (Chattopadhay et al. 2018, Equations 7 and 19). Their positive factor
    exp(score), one per image, is left out: it cancels in the scaled map and
    overflows. The code uses `a = 1 / (2 + g sum_ab A_ab)` where g > 0 (for
    other g the ReLU makes the term 0), which is defined for every feature that
    follows a ReLU. The formula assumes that the score is piecewise linear in
    A.

    Args:
        feature: Which of the features that the head reads; default: its first.
        task, class_index, batch_size, and call arguments: As for `Explainer`.
    """

    def weights(self, activation, gradient):
        positive = ops.relu(gradient)
        total = ops.sum(ops.relu(activation), axis=(1, 2), keepdims=True)
        shares = 1.0 / (2.0 + positive * total)
        return ops.sum(shares * positive, axis=(1, 2), keepdims=True)
