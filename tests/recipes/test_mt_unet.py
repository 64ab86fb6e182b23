import numpy as np
import pandas as pd
import pytest
from tensors import array, gradients

from umsrep.data import TaskSpec
from umsrep.data.dataset import Dataset
from umsrep.errors import UmsrepError
from umsrep.finetuning.parameters import count
from umsrep.recipes import mt_unet
from umsrep.stages import network
from umsrep.stages.network import schedule


def test_parameters_of_the_paper():
    # Counted in the authors' network: encoder, decoder, heads and one sigma.
    model = mt_unet.mt_unet((64, 48, 1))
    total = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert total == 34_632_837
    assert count(model.head("gaze")) == 37_121
    assert count(model.head("finding")) == 69_891


def small(width=2, **options):
    return mt_unet.mt_unet((32, 40, 1), width=width, depth=3, **options)


@pytest.mark.parametrize(
    ("variant", "pooled"),
    [("MT-UNet", 8 + 2), ("MT-UNetB", 8), ("MT-UNetT", 2)],
)
def test_what_the_classification_reads(variant, pooled):
    head = small(variant=variant).head("finding")
    assert tuple(head.hidden.kernel.shape) == (pooled, 2)


def test_single_task_variants_leave_the_other_out():
    assert small(variant="UNetS").tasks == ("gaze",)
    one = small(variant="UNetC")
    assert one.tasks == ("finding",)
    # Without a decoder.
    assert sum(map(count, one.layers)) < sum(map(count, small().layers)) / 1.5


def batch(n=4):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (n, 32, 40, 1)).astype("float32")
    gaze = rng.random((n, 32, 40, 1)).astype("float32")
    finding = np.arange(n).astype("int32") % 3
    return x, {"gaze": gaze, "finding": finding}


@pytest.mark.parametrize("scheme", mt_unet.SCHEMES)
def test_gradients_reach_every_weight_from_every_task(scheme):
    # Of two hidden units, both may be dead.
    model = small(8, scheme=scheme)
    x, y = batch()
    for task in model.tasks:
        weights = {t: np.full(4, float(t == task), "float32") for t in y}
        kernels = [
            v for v in model.trainable_variables if v.path.endswith("kernel")
        ]
        found = gradients(
            lambda weights=weights: model.compute_loss(
                x, y, model(x, training=True), weights
            ),
            kernels,
        )
        reached = {
            v.path
            for v, g in zip(kernels, found, strict=True)
            if g is not None and np.abs(g).max() > 0
        }
        other = "finding" if task == "gaze" else "gaze"
        shared = {v.path for v in kernels if other not in v.path}
        assert shared <= reached
        assert not {v.path for v in kernels if other in v.path} & reached


def test_code_halves_the_saliency_loss():
    x, y = batch()
    losses = {}
    for fidelity in ("paper", "code"):
        model = small(fidelity=fidelity, scheme="mtls3")
        model.set_weights(small_weights(model))
        predicted = model(x)
        total = float(array(model.compute_loss(x, y, predicted, None)))
        each = {
            task: float(
                array(
                    model.head(task).loss.call(y[task], predicted[task])
                ).mean()
            )
            for task, loss in model.default_losses().items()
        }
        losses[fidelity] = (total, each)
    total, each = losses["paper"]
    assert total == pytest.approx(sum(each.values()) + np.log(2), rel=1e-5)
    total, each = losses["code"]
    want = each["gaze"] / 2 + each["finding"] + 2 * np.log(2)
    assert total == pytest.approx(want, rel=1e-5)


def small_weights(model):
    rng = np.random.default_rng(1)
    return [
        w if w.ndim < 2 else rng.normal(0, 0.1, w.shape)
        for w in model.get_weights()
    ]


TASKS = mt_unet.Tasks("gaze", "finding")


class TestCandidates:
    def test_all_rows_of_the_papers_tables(self):
        found = mt_unet.candidates(TASKS, mt_unet.SMALL, networks=["all"])
        assert [one.name for one in found] == list(mt_unet.NETWORKS)
        for one in found:
            kinds = {"MT-UNet", "MT-UNetB", "MT-UNetT"}
            assert (len(one.tasks) == 2) == (one.name in kinds)

    def test_several_schemes_are_networks_of_their_own(self):
        found = mt_unet.candidates(
            TASKS,
            mt_unet.SMALL,
            ("mtls1", "mtls2", "mtls3"),
            ("MT-UNet", "MT-UNetB", "UNetS"),
        )
        assert [one.name for one in found] == [
            "MTLS1",
            "MTLS2",
            "MTLS3",
            "MT-UNetB",
            "UNetS",
        ]
        assert [one.settings.weighting for one in found[:4]] == [
            "mtls1",
            "mtls2",
            "mtls3",
            "mtls3",
        ]

    @pytest.mark.parametrize(
        ("schemes", "networks", "shown"),
        [
            # The paper's scheme is MT-UNet; B and T are of Table 3 alone.
            (
                ("mtls3", "mtls1"),
                ("MT-UNet", "MT-UNetB", "UNetC"),
                {"MTLS3": "MT-UNet", "UNetC": "UNetC"},
            ),
            (
                ("mtls2", "mtls1"),
                ("MT-UNet", "UNetS"),
                {"MTLS1": "MT-UNet", "UNetS": "UNetS"},
            ),
            (("mtls1",), ("MT-UNet", "MT-UNetT"), {"MT-UNet": "MT-UNet"}),
            (
                ("mtls3",),
                ("MT-UNetB", "MT-UNetT"),
                {"MT-UNetB": "MT-UNetB", "MT-UNetT": "MT-UNetT"},
            ),
        ],
    )
    def test_mt_unet_stands_under_its_own_name(self, schemes, networks, shown):
        found = mt_unet.candidates(TASKS, mt_unet.SMALL, schemes, networks)
        assert mt_unet.compared_with_others(found) == shown

    def test_without_a_finding_saliency_remains(self):
        found = mt_unet.candidates(mt_unet.Tasks("gaze"), mt_unet.SMALL)
        assert [one.name for one in found] == ["UNetS"]
        with pytest.raises(UmsrepError, match="Choose among UNetS"):
            mt_unet.candidates(
                mt_unet.Tasks("gaze"), mt_unet.SMALL, networks=["UNetC"]
            )

    @pytest.mark.parametrize(
        ("options", "advice"),
        [
            ({"networks": ["VGG"]}, "Choose among MT-UNet"),
            ({"schemes": ["mtls4"]}, "Choose among mtls1"),
        ],
    )
    def test_unknown_names(self, options, advice):
        with pytest.raises(UmsrepError, match=advice):
            mt_unet.candidates(TASKS, mt_unet.SMALL, **options)


def test_schedule_of_the_paper():
    one = schedule(mt_unet.PAPER)
    assert (one.learning_rate, one.factor, one.patience) == (1e-4, 0.1, 40)
    assert one.stop_patience == 83
    assert one.return_to_best
    assert one.smallest_rate == 1e-8


def test_unknown_preset_and_variant():
    with pytest.raises(UmsrepError, match="paper, small"):
        mt_unet.settings("large")
    with pytest.raises(UmsrepError, match="UNetC, UNetS"):
        small(variant="UNet")


class Pictures:
    """Stands for the pictures of a data set: only their size is asked."""

    size = (80, 80)


@pytest.mark.parametrize("name", mt_unet.NETWORKS)
def test_every_network_of_the_tables_predicts_its_tasks(name):
    specs = {
        "gaze": TaskSpec("gaze", "map"),
        "finding": TaskSpec("finding", "label", ("a", "b", "c")),
    }
    table = pd.DataFrame({"image": [], "patient": [], "gaze": []})
    dataset = Dataset("toy", specs, table, Pictures())
    settings = mt_unet.settings("small", width=2)
    (one,) = mt_unet.candidates(TASKS, settings, networks=[name])
    model = network.new_network(dataset, one.tasks, one.settings)
    assert model.tasks == one.tasks
    outputs = model(np.random.default_rng(0).uniform(0, 255, (1, 80, 80, 1)))
    shapes = {"gaze": (1, 80, 80, 1), "finding": (1, 3)}
    for task in one.tasks:
        value = array(outputs[task])
        assert value.shape == shapes[task]
        assert value.sum() == pytest.approx(1, abs=1e-4)
