"""Talos's reduction on rounds whose outcome is known without training."""

from umsrep import search


def outcome(job):
    """A round: dropout 0.1 is good, 0.5 bad, the rest hardly matters."""
    settings = job["settings"]
    loss = settings["dropout"] + 0.01 * settings["learning_rate"]
    return {
        "status": "complete",
        "history": {"epoch": [1], "val_level_loss": [loss]},
        "losses": {"level": loss},
        "best_epochs": {"joint": 1},
        "at_best": {"val_level_loss": loss},
        "metrics": {"level": {}},
        "epochs_run": 1,
        "seconds": 0.1,
        "parameters": 1,
    }


class Known(search.InProcess):
    run_round = staticmethod(outcome)


def test_values_that_go_with_bad_rounds_are_dropped(toy_space, tmp_path):
    space = {
        "dropout": [0.1, 0.5],
        "learning_rate": {"from": 0.01, "to": 0.2, "steps": 20},
    }

    def tried(name, **changes):
        plan = toy_space(space=space, **changes)
        out = tmp_path / name
        return search.scan(plan, out, Known(), progress=False).table

    whole = tried("whole")
    assert list(whole["dropout"]).count("0.5") == 20
    assert float(whole["dropout"].iloc[0]) == 0.1
    reduction = {"interval": 10, "window": 10, "threshold": 0.3}
    reduced = tried("reduced", reduction=reduction)
    assert list(reduced["dropout"]).count("0.1") == 20
    assert list(reduced["dropout"]).count("0.5") < 20
