"""Class activation maps of heads that average over cells."""

from keras import ops

from umsrep.derived.base import registry
from umsrep.derived.explainer import Explainer, one_hot_of
from umsrep.errors import UmsrepError


@registry.register("cam")
class CAM(Explainer):
    """What each cell adds to the score of a class; no gradient is needed.

    `Omega_c = sum_k Lambda_ck A_k + lambda_c` (Zhou et al. 2016; GG-CAM,
    Equation 4), exact for a `CAMHead`, a `LinearHead` (whose squared distances
    from the mean are such a sum, too) and a `ClassificationHead` with
    `hidden_units=0` on one feature: the average of `grids` is the class's
    value before the softmax, sign and bias included (except for a head of
    fidelity "code", whose maps lack the bias). The full-size map is the
    positive part divided by its maximum; of means alone, where the bias is 0,
    it equals Grad-CAM's.

    Args:
        task, class_index, batch_size, and call arguments: As for `Explainer`.
    """

    def head(self, model):
        head = super().head(model)
        if not getattr(head, "has_maps", False):
            raise UmsrepError(
                f"Head '{head.name}' ({type(head).__name__}) has no class "
                "activation map: that takes an average over the cells of one "
                "feature and a single dense layer. Use GradCAM, a CAMHead, a "
                "LinearHead, or a ClassificationHead with hidden_units=0."
            )
        return head

    def feature_of(self, model):
        return self.head(model).map_feature

    def function(self, model, head):
        names = head.feature_names
        extractor = model.feature_model(names)

        def maps(images, classes):
            features = extractor(images, training=False)
            inputs = [features[name] for name in names]
            logits = head.logits(inputs, training=False)
            picked = one_hot_of(classes, logits)[:, None, None]
            return ops.sum(head.maps(inputs, training=False) * picked, axis=-1)

        return maps
