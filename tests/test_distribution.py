"""Several devices and several workers train what one device trains.

Sums in another order, and Keras's formula for the statistics that devices
share (mean of squares less square of the mean), round differently: float32
results agree to some 1e-6 after a few steps of SGD, and 1e-4 is asked for.
Adam would not do: it scales a gradient that is 0 but for rounding (that of a
bias before a batch norm) to a full step.
"""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from umsrep import MultiTaskModel, distribution
from umsrep.errors import UmsrepError
from umsrep.heads import ClassificationHead
from umsrep.layers import BatchNormalization
from umsrep.representations import ConvAutoencoder
from umsrep.stages import finetuning, first_stage, pretraining
from umsrep.training import loop

HERE = Path(__file__).parent
TOLERANCE = 1e-4
SECONDS = 300
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute"
)


@contextlib.contextmanager
def processes(commands):
    """Starts (arguments, environment) pairs; none outlives the block."""
    started = []
    try:
        for arguments, environment in commands:
            started.append(
                subprocess.Popen(
                    [sys.executable, *map(str, arguments)],
                    env={
                        **os.environ,
                        "PYTHONPATH": str(HERE.parent),
                        **environment,
                    },
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()
            process.stdout.close()


def outputs(commands):
    """What processes that run at the same time print; all must succeed."""
    end = time.monotonic() + SECONDS
    with processes(commands) as started:
        printed = [
            process.communicate(timeout=max(1, end - time.monotonic()))[0]
            for process in started
        ]
        for process, text in zip(started, printed, strict=True):
            assert process.returncode == 0, text[-3000:]
    return printed


def clusters(count=2):
    """TF_CONFIG of each worker of a cluster on this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        hosts = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    return [
        json.dumps(
            {
                "cluster": {"worker": hosts},
                "task": {"type": "worker", "index": index},
            }
        )
        for index in range(count)
    ]


def trained(folder, names, **environment):
    """{name: arrays} of tests/distributed_training.py under each name."""
    script = HERE / "distributed_training.py"
    prepared, out = folder
    files = {name: out / f"{name}.npz" for name in names}
    outputs(
        [
            ([script, name, prepared, path], environment)
            for name, path in files.items()
        ]
    )
    return {name: dict(np.load(path)) for name, path in files.items()}


def compare(one, two):
    assert (one.pop("count"), two.pop("count")) == (1, 2)
    assert one.keys() == two.keys()
    assert any("log_sigma" in key or "sigma_" in key for key in one)
    for key, value in one.items():
        np.testing.assert_allclose(
            two[key], value, atol=TOLERANCE, rtol=TOLERANCE, err_msg=key
        )


@tensorflow_only
def test_two_devices_train_what_one_does(prepared_folder, tmp_path):
    """Weights, statistics, sigmas, losses and predictions, per strategy."""
    found = trained((prepared_folder, tmp_path), ("none", "mirrored"))
    compare(found["none"], found["mirrored"])
    # The saved model says nothing of the devices, and opens without them.
    configs = []
    for name in ("none", "mirrored"):
        model = keras.saving.load_model(tmp_path / f"{name}.npz-Joint.keras")
        configs.append(model.get_config())
    assert str(configs[0]) == str(configs[1])


def test_two_devices_on_jax(prepared_folder, tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    found = trained(
        (prepared_folder, tmp_path),
        ("none", "mirrored"),
        KERAS_BACKEND="jax",
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
    compare(found["none"], found["mirrored"])


SETTINGS = {
    "batch_size": 4,
    "precision": "float32",
    "fractions": (0.6, 0.2, 0.2),
    "epochs": 2,
}
TASKS = {
    "strategy": "joint",
    "weighting": "uncertainty",
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "dropout": 0.0,
    "convolutions": (4,),
    "hidden_units": 4,
    "classification_features": "bottleneck",
}
WORKER = """
import sys
from umsrep.stages import finetuning, pretraining
settings, tasks, data, representation, out = eval(sys.argv[1])
both = {**settings, "distribution": "multi_worker"}
pretraining.pretrain(
    [data], out + "/pre",
    pretraining.PretrainSettings(arguments={"filters": (4, 8)}, **both),
)
finetuning.finetune(
    data, None, out + "/fine", representation,
    finetuning.FinetuneSettings(**both, **tasks), resume=True,
)
"""


@tensorflow_only
def test_two_workers_train_what_one_does(
    prepared_folder, tmp_path, monkeypatch
):
    """A pre-training from its start, a fine-tuning from its middle."""

    def pretrain(folder):
        pretraining.pretrain(
            [prepared_folder],
            folder,
            pretraining.PretrainSettings(
                arguments={"filters": (4, 8)}, **SETTINGS
            ),
            progress=False,
        )

    def finetune(folder):
        finetuning.finetune(
            prepared_folder,
            None,
            folder,
            tmp_path / "one" / "pre",
            finetuning.FinetuneSettings(**SETTINGS, **TASKS),
            progress=False,
        )

    pretrain(tmp_path / "one" / "pre")
    finetune(tmp_path / "one" / "fine")
    run = loop._run_epoch

    def interrupted(group, epoch, *rest):
        if epoch:
            raise KeyboardInterrupt("stop here")
        return run(group, epoch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_run_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt, match="stop here"):
            finetune(tmp_path / "two" / "fine")
    given = (
        SETTINGS,
        TASKS,
        str(prepared_folder),
        str(tmp_path / "one" / "pre"),
        str(tmp_path / "two"),
    )
    printed = outputs(
        [
            (["-c", WORKER, repr(given)], {"TF_CONFIG": cluster})
            for cluster in clusters()
        ]
    )
    assert "epoch 2/2" in printed[0]
    assert "epoch" not in printed[1]
    for kind in ("pre", "fine"):
        one, two = (tmp_path / side / kind for side in ("one", "two"))
        assert {path.name for path in one.iterdir()} == {
            path.name for path in two.iterdir()
        }
        info = json.loads((two / "run.json").read_text())
        assert (info["status"], info["devices"]) == ("complete", 2)
        losses, others = (
            pd.read_csv(path / "history.csv").filter(regex="_loss|sigma_")
            for path in (one, two)
        )
        assert list(losses) == list(others)
        np.testing.assert_allclose(others, losses, rtol=TOLERANCE)
    weights = [
        keras.saving.load_model(tmp_path / side / "fine" / "model.keras")
        for side in ("one", "two")
    ]
    for a, b in zip(*(m.get_weights() for m in weights), strict=True):
        np.testing.assert_allclose(b, a, atol=TOLERANCE, rtol=TOLERANCE)


class TestBadInput:
    def test_unknown_name(self):
        with pytest.raises(UmsrepError, match="Choose one of none, mirrored"):
            distribution.use("mirored")

    def test_unknown_option(self, prepared_folder, tmp_path):
        with pytest.raises(UmsrepError, match="Choose one of none, mirrored"):
            pretraining.pretrain(
                [prepared_folder],
                tmp_path / "run",
                pretraining.PretrainSettings(distribution="all"),
            )

    @tensorflow_only
    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("", "Set it on each machine"),
            ("{", "Set it on each machine"),
            ('{"cluster": {}}', "Set it on each machine"),
            ("ps", "worker 0 leads"),
            ("index", "counted from 0"),
        ],
    )
    def test_cluster(self, text, advice, monkeypatch):
        # Ports are free ones, so they cannot be part of a test's name.
        if text == "ps":
            text = clusters()[0].replace('"worker",', '"ps",')
        elif text == "index":
            text = clusters(1)[0].replace(": 0}", ": 4}")
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(UmsrepError, match=advice):
            distribution.use("multi_worker")

    @pytest.mark.parametrize(
        ("library", "name"),
        [("torch", "mirrored"), ("jax", "multi_worker")],
    )
    def test_backend_without_it(self, library, name, monkeypatch):
        monkeypatch.setattr(keras.backend, "backend", lambda: library)
        with pytest.raises(UmsrepError, match="KERAS_BACKEND=tensorflow"):
            distribution.use(name)

    def test_uneven_batch(self, monkeypatch):
        model = tiny()
        monkeypatch.setattr(distribution.backend, "shards", lambda: 2)
        x, y = np.zeros((5, 32, 32, 1)), {"level": np.zeros(5)}
        with pytest.raises(UmsrepError, match="is a multiple of 2"):
            model.train_on_batch(x, y)

    @tensorflow_only
    def test_model_of_another_context(self, monkeypatch):
        model = tiny()
        x, y = np.zeros((4, 32, 32, 1)), {"level": np.zeros(4)}
        monkeypatch.setattr(distribution.backend, "replicas", lambda: 2)
        for step in (model.train_on_batch, model.test_on_batch):
            with pytest.raises(UmsrepError, match="inside the same `with"):
                step(x, y)


def tiny():
    model = MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [ClassificationHead(2, "level", convolutions=(4,), hidden_units=4)],
    )
    model.compile("sgd")
    return model


def test_added_validation_images_weigh_nothing(monkeypatch):
    """They repeat the last one, in every part of the batch."""
    monkeypatch.setattr(distribution.backend, "shards", lambda: 4)
    rng = np.random.default_rng(0)
    x, y = rng.random((5, 2, 2, 1)), {"level": np.arange(5)}
    weights = {"level": np.ones(5, np.float32)}
    images, targets, weighed = distribution.validation_batch(
        tiny(), (x, y, weights)
    )
    assert len(images) == len(targets["level"]) == 8
    np.testing.assert_array_equal(images[5:], x[[4, 4, 4]])
    assert weighed["level"].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert weights["level"].tolist() == [1] * 5


@tensorflow_only
def test_batch_norms_share_statistics_only_where_devices_do(monkeypatch):
    from umsrep import backend

    alone = BatchNormalization()
    monkeypatch.setattr(backend, "replicas", lambda: 2)
    shared = BatchNormalization()
    assert shared.synchronized
    assert not alone.synchronized
    configs = [layer.get_config() for layer in (alone, shared)]
    for config in configs:
        del config["name"]
    assert configs[0] == configs[1]


def test_resumed_on_other_devices(prepared_folder, tmp_path):
    """Which devices train is no part of what a run folder is."""
    from umsrep.runs import RunWriter

    for name in ("none", "mirrored"):
        config = {"seed": 0, "distribution": name}
        with RunWriter(tmp_path / "run", "pretrain", config, name != "none"):
            pass


def test_option(monkeypatch):
    """Both commands hand the option on."""
    from typer.testing import CliRunner

    from umsrep.cli.main import app

    for command, module, function, rest in (
        ("pretrain", first_stage, "learn", []),
        ("finetune", finetuning, "finetune", ["--representation", "none"]),
    ):
        got = []

        def record(*arguments, got=got, **options):
            for given in (*arguments, *options.values()):
                # Of an objective, its settings.
                settings = getattr(given, "settings", given)
                if hasattr(settings, "distribution"):
                    got.append(settings)
            raise UmsrepError("enough")

        monkeypatch.setattr(module, function, record)
        CliRunner().invoke(
            app,
            [command, "--data", "x", "--out", "y", *rest]
            + ["--distribution", "mirrored"],
        )
        assert got[0].distribution == "mirrored"
