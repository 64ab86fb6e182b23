"""How many versions of an image tasks share on a frozen encoder."""

import numpy as np
import pytest

from umsrep import MultiTaskModel, data, finetuning
from umsrep.finetuning import features
from umsrep.finetuning.lanes import FEWEST, VERSIONS
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule

AUGMENTED = {"augmentation": data.Augmentation.chest()}


def build():
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            ClassificationHead(2, "level", hidden_units=8, dropout=0.0),
        ],
    )


def sides(dataset):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return train, validation


def fit(dataset, strategy=finetuning.Independent, fitting=None, **options):
    return strategy(schedule=Schedule(5e-3), **options).fit(
        build(),
        *sides(dataset),
        progress=False,
        **{"batch_size": 8, "epochs": 2, **AUGMENTED, **(fitting or {})},
    )


def bytes_of_a_version(dataset):
    model = build()
    train = sides(dataset)[0]
    names = features.sources(model, ("encoder",))
    return features.size(model, names, train, ["blob"])


def passes(dataset, steps, batch_size=8):
    train = sides(dataset)[0]
    fewest = min(train.labelled(task).sum() for task in ("blob", "level"))
    return -(-steps * batch_size // fewest)


def test_as_many_as_there_are_passes_and_at_most_8(dataset, monkeypatch):
    for steps in (4, 60):
        seen = []
        predict = features.FeatureStore.prepare

        def noted(self, draw, seen=seen, predict=predict):
            seen.append((id(self), draw))
            return predict(self, draw)

        monkeypatch.setattr(features.FeatureStore, "prepare", noted)
        history = fit(dataset, fitting={"steps": steps})
        expected = min(VERSIONS, passes(dataset, steps))
        assert history.cached["draws"] == expected
        assert history.cached["in_memory"]
        assert max(draw for _, draw in seen) == expected - 1
        monkeypatch.undo()
    assert expected == VERSIONS


@pytest.mark.parametrize("fitting", [FEWEST - 1, FEWEST, FEWEST + 2])
def test_bounded_by_memory(dataset, fitting):
    memory = (fitting + 0.5) * bytes_of_a_version(dataset) / 2**30
    history = fit(dataset, feature_memory=memory, fitting={"steps": 60})
    if fitting < FEWEST:
        assert history.cached is None
        assert history.groups[0].lanes[0].training.draws is None
    else:
        assert history.cached["draws"] == fitting
        assert history.cached["gib"] <= memory * 2


def test_what_is_asked_for_is_given(dataset):
    history = fit(dataset, fitting={"steps": 60, "draws": 2})
    assert history.cached["draws"] == 2
    off = fit(dataset, cache_features=False, fitting={"steps": 4})
    assert off.cached is None
    assert off.groups[0].lanes[0].training.draws is None
    joint = fit(dataset, finetuning.Joint, fitting={"steps": 4})
    assert joint.cached is None


def test_epochs_alone_draw_anew(dataset):
    history = fit(dataset)
    assert history.cached["draws"] is None


@pytest.mark.usefixtures("float32")
def test_the_same_as_without_the_cache(dataset):
    import keras

    tables = []
    for cached in (True, False):
        keras.utils.set_random_seed(0)
        tables.append(
            fit(
                dataset,
                cache_features=cached,
                fitting={"steps": 12, "draws": 3},
            ).table
        )
    for task in ("blob", "level"):
        np.testing.assert_allclose(
            *(table[f"val_{task}_loss"] for table in tables), atol=1e-3
        )


def test_after_a_release_images_are_drawn_anew(dataset):
    history = fit(
        dataset,
        finetuning.Joint,
        release_after=0.5,
        fitting={"steps": 12, "epochs": 4},
    )
    assert history.cached["draws"] == min(VERSIONS, passes(dataset, 12))
    assert history.groups[0].lanes[0].training.draws is None
