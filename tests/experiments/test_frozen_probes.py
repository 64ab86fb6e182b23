import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from umsrep.cli.main import app
from umsrep.data import load
from umsrep.errors import UmsrepError
from umsrep.evaluation import probes
from umsrep.experiments import frozen_probes
from umsrep.stages import FinetuneSettings, PretrainSettings, pretrain
from umsrep.stages.construction import ConstructionSettings, construct

SETTINGS = FinetuneSettings(fractions=(0.5, 0.1, 0.4))
NEW = frozen_probes.Probed("new", None, "conv_autoencoder", {"filters": (4, 8)})


@pytest.fixture(scope="module")
def learnt(prepared_folder, tmp_path_factory):
    """A run of `pretrain`, of one epoch."""
    out = tmp_path_factory.mktemp("runs") / "learnt"
    settings = PretrainSettings(
        epochs=1,
        arguments={"filters": (4, 8)},
        precision="float32",
        fractions=(0.5, 0.1, 0.4),
    )
    pretrain([prepared_folder], out, settings, progress=False)
    return out


def table(probed, data, *arguments, **options):
    return frozen_probes.probe_table(
        probed, data, *arguments, settings=SETTINGS, progress=False, **options
    )


def test_every_draw_of_every_number(prepared_folder, other_folder):
    found = table([NEW], prepared_folder, [other_folder], (4, 10), draws=3)
    told = found[found["metric"] == "linear_auc"]
    counts = told.groupby(["data", "patients"])["draw"].nunique()
    assert counts["toy"].to_dict() == {4: 3, 10: 3}
    assert set(found["data"]) == {"toy", "other"}
    means = frozen_probes.summary(found)
    row = means[
        (means[["data", "metric", "patients"]] == ["toy", "linear_auc", 4]).all(
            axis=1
        )
    ].iloc[0]
    values = told[(told["data"] == "toy") & (told["patients"] == 4)]["value"]
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std())
    assert row["draws"] == 3


def test_all_labels_are_what_one_probe_says(prepared_folder):
    found = table([NEW], prepared_folder, draws=4)
    assert set(found["draw"]) == {0}
    training, _, test = load(prepared_folder).split(
        fractions=SETTINGS.fractions
    )
    network = NEW.make(training.image_size, SETTINGS.seed)
    expected = probes.probe(network, training, test)
    for row in found.to_dict("records"):
        assert row["value"] == pytest.approx(
            expected[row["task"]][row["metric"]], abs=0.02
        )


def test_too_many_patients_are_refused(prepared_folder):
    with pytest.raises(UmsrepError, match="Pass at most that many"):
        table([NEW], prepared_folder, (), (1000,))


def test_names_are_told_apart(prepared_folder):
    with pytest.raises(UmsrepError, match="different names"):
        table([NEW, NEW], prepared_folder)
    with pytest.raises(UmsrepError, match="--architecture for new weights"):
        frozen_probes.probed_of([])


def test_all_are_judged_on_the_same_patients(prepared_folder, tmp_path, capsys):
    """Whose labels one of them knows, is left out for the others too."""
    out = tmp_path / "knows"
    settings = ConstructionSettings(
        task="level",
        architecture="conv_autoencoder",
        arguments={"filters": (4, 8)},
        epochs=1,
        precision="float32",
        fractions=(0.3, 0.1, 0.6),
        seed=3,
    )
    construct([prepared_folder], out, settings, progress=False)
    capsys.readouterr()
    knows = frozen_probes.Probed("knows", out)
    found = table([NEW, knows], prepared_folder)
    assert capsys.readouterr().err.count("are left out") == 1
    keys = ["task", "metric", "patients", "test_patients"]
    new, other = (
        part[keys].reset_index(drop=True)
        for _, part in found.groupby("representation", sort=False)
    )
    pd.testing.assert_frame_equal(new, other)
    alone = table([NEW], prepared_folder)
    assert alone["patients"].min() > new["patients"].max()


def test_the_command(prepared_folder, learnt, tmp_path):
    out = tmp_path / "probes.json"
    arguments = [
        *("probe", str(learnt), "--data", str(prepared_folder)),
        *("--architecture", "conv_autoencoder", "--argument", "filters=[4,8]"),
        *("--labelled-patients", "4,8", "--draws", "2", "--out", str(out)),
        *("--fractions", "0.5", "0.1", "0.4"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    written = json.loads(out.read_text())
    names = {row["representation"] for row in written["means"]}
    assert names == {"learnt", "new conv_autoencoder"}
    assert len(written["draws"]) == 2 * 2 * 2 * 3
    out = tmp_path / "probes.csv"
    result = CliRunner().invoke(app, [*arguments[:6], "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert set(pd.read_csv(out)["task"]) == {"blob", "level"}
    result = CliRunner().invoke(
        app, [*arguments[:4], "--out", str(tmp_path / "probes.txt")]
    )
    with pytest.raises(UmsrepError, match="Rename it"):
        raise result.exception


def test_weights_of_no_architecture_are_refused():
    with pytest.raises(UmsrepError, match="weights without --architecture"):
        frozen_probes.probed_of(["run"], None, {"weights": "imagenet"})
    (one,) = frozen_probes.probed_of(
        [], "efficientnet_lite0", {"weights": "imagenet"}
    )
    assert one.name == "efficientnet_lite0 imagenet"
