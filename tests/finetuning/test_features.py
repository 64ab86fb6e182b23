"""A frozen encoder runs once, and nothing else changes."""

import numpy as np
import pytest
from tensors import array

from umsrep import MultiTaskModel, data, finetuning
from umsrep.errors import UmsrepError
from umsrep.finetuning import features
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder
from umsrep.training import Schedule

SCHEDULE = Schedule(5e-3)


def build(skips=True, **options):
    return MultiTaskModel(
        ConvAutoencoder(
            (32, 32, 1), filters=(4, 8, 8), skip_connections=skips, **options
        ),
        [
            SegmentationHead("blob"),
            ClassificationHead(
                2, "level", features="stage2", hidden_units=8, dropout=0.0
            ),
        ],
    )


def weights(model):
    return [array(v) for v in model.variables]


def sides(dataset):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return train, validation


def fit(dataset, start, strategy=finetuning.Independent, skips=True, **options):
    fitting = {
        key: options.pop(key)
        for key in ("augmentation", "draws", "epochs", "checkpoint")
        if key in options
    }
    model = build(skips)
    for variable, value in zip(model.variables, start, strict=True):
        variable.assign(value)
    history = strategy(schedule=SCHEDULE, **options).fit(
        model,
        *sides(dataset),
        batch_size=8,
        progress=False,
        **{"epochs": 3, **fitting},
    )
    return model, history


class Counting:
    """Counts how often each picture is looked at."""

    def __init__(self, store):
        self.store, self.size, self.count = store, store.size, {}
        self.picture = store.picture

    def image(self, row):
        self.count[row] = self.count.get(row, 0) + 1
        return self.store.image(row)


@pytest.mark.usefixtures("float32")
class TestSameWeights:
    @pytest.mark.parametrize("skips", [True, False])
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"augmentation": data.Augmentation.chest()},
            {"augmentation": data.Augmentation.chest(), "draws": 2},
            {
                "augmentation": data.Augmentation.chest(),
                "draws": 2,
                "feature_memory": 0.0,
            },
            {"freeze": ("encoder", "decoder")},
        ],
        ids=["plain", "augmented", "two draws", "file", "decoder frozen"],
    )
    def test_as_without_the_cache(self, dataset, skips, options):
        start = weights(build(skips))
        results = [
            fit(dataset, start, skips=skips, cache_features=cached, **options)
            for cached in (True, False)
        ]
        (one, kept), (two, plain) = results
        for a, b in zip(weights(one), weights(two), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-4)
        moved = max(
            np.abs(a - b).max()
            for a, b in zip(weights(one), start, strict=True)
        )
        assert moved > 0.01
        for task in ("blob", "level"):
            np.testing.assert_allclose(
                kept.table[f"val_{task}_loss"],
                plain.table[f"val_{task}_loss"],
                atol=1e-4,
            )
        assert kept.trainable_parameters == plain.trainable_parameters

    def test_also_joint_and_alternating_on_a_frozen_encoder(self, dataset):
        start = weights(build())
        for strategy in (finetuning.Joint, finetuning.Alternating):
            one, two = (
                fit(
                    dataset,
                    start,
                    strategy,
                    freeze=("encoder",),
                    cache_features=cached,
                )[0]
                for cached in (True, False)
            )
            for a, b in zip(weights(one), weights(two), strict=True):
                np.testing.assert_allclose(a, b, atol=2e-4)

    def test_an_interrupted_training_goes_on(self, dataset, tmp_path):
        start = weights(build())
        options = {"augmentation": data.Augmentation.chest(), "draws": 2}
        constant = Schedule(5e-3, decay="constant")
        results = []
        for stops in ((4,), (1, 4)):
            model = build()
            for variable, value in zip(model.variables, start, strict=True):
                variable.assign(value)
            for epochs in stops:
                finetuning.Independent(schedule=constant).fit(
                    model,
                    *sides(dataset),
                    epochs=epochs,
                    batch_size=8,
                    progress=False,
                    checkpoint=tmp_path / str(len(stops)),
                    **options,
                )
            results.append(weights(model))
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


class TestWork:
    """How often pictures are drawn; two tasks, four epochs."""

    def looks(self, dataset, **options):
        store = Counting(dataset.store)
        fit(dataset.with_store(store), weights(build()), epochs=4, **options)
        train, _ = sides(dataset)
        both = train.labelled("blob") & train.labelled("level")
        return {store.count[row] for row in train.rows[both]}

    def test_once_without_augmentation(self, dataset):
        assert self.looks(dataset) == {1}

    def test_once_per_draw(self, dataset):
        drawn = {"augmentation": data.Augmentation.chest(), "draws": 2}
        assert self.looks(dataset, **drawn) == {2}

    def test_once_per_epoch_for_both_tasks(self, dataset):
        drawn = {"augmentation": data.Augmentation.chest()}
        assert self.looks(dataset, **drawn) == {4}

    def test_features_that_do_not_fit_and_never_come_again(self, dataset):
        drawn = {
            "augmentation": data.Augmentation.chest(),
            "feature_memory": 0.0,
        }
        # Per task and epoch, as without the cache.
        assert max(self.looks(dataset, **drawn)) > 4

    def test_the_time_of_the_features_is_counted(self, dataset):
        _, history = fit(dataset, weights(build()))
        assert (history.table["seconds_features"] > 0).all()
        parts = history.table.filter(like="seconds_").sum(axis=1)
        np.testing.assert_allclose(parts, history.table["seconds"])
        assert history.seconds == pytest.approx(parts.sum())


class TestStore:
    def test_file_and_memory_hold_the_same(self, dataset, tmp_path):
        model = build()
        names = features.sources(model, ("encoder",))
        assert names == ("bottleneck", "stage2", "stage1")
        contents = []
        for memory in (2**30, 0):
            store = features.FeatureStore(
                *(model, names, dataset, ["blob"]),
                memory=memory,
                folder=tmp_path,
            )
            store.prepare(0)
            contents.append(store.read(0, dataset.rows[3:7], names, ["blob"]))
        (one, masks), (two, others) = contents
        for name in names:
            np.testing.assert_array_equal(one[name], two[name])
        np.testing.assert_array_equal(masks["blob"], others["blob"])
        # Nothing is left behind.
        assert not list(tmp_path.iterdir())

    def test_features_are_those_of_the_images(self, dataset):
        model = build()
        store = features.FeatureStore(model, ("stage2",), dataset)
        store.prepare(0)
        got, _ = store.read(0, dataset.rows[[5, 2]], ("stage2",), ())
        want = model.features(dataset.images[[5, 2]], ("stage2",))["stage2"]
        np.testing.assert_allclose(
            got["stage2"], array(want), rtol=1e-4, atol=1e-4
        )

    def test_bfloat16_is_kept_as_it_is(self, dataset):
        from umsrep import precision

        precision.use("bfloat16")
        model = build()
        store = features.FeatureStore(model, ("stage2",), dataset)
        store.prepare(0)
        got, _ = store.read(0, dataset.rows[:3], ("stage2",), ())
        assert got["stage2"].dtype.name == "bfloat16"
        assert store.bytes == len(dataset) * 8 * 8 * 8 * 2

    def test_full_disk(self, dataset, tmp_path, monkeypatch):
        def full(handle, offset, size):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(features.os, "posix_fallocate", full)
        store = features.FeatureStore(
            build(), ("stage2",), dataset, memory=0, folder=tmp_path
        )
        with pytest.raises(UmsrepError, match="Make room, ask for fewer"):
            store.prepare(0)
        assert not list(tmp_path.iterdir())


def test_bad_draws(dataset):
    with pytest.raises(UmsrepError, match="draws=0: expected a whole number"):
        dataset.batches(draws=0)


def test_draws_come_again(dataset):
    batches = dataset.batches(
        4, augmentation=data.Augmentation.chest(), draws=2
    )
    pictures = []
    for epoch in range(4):
        batches.set_epoch(epoch)
        pictures.append(batches[0][0])
    np.testing.assert_array_equal(pictures[0], pictures[2])
    np.testing.assert_array_equal(pictures[1], pictures[3])
    assert np.abs(pictures[0] - pictures[1]).max() > 0


def test_a_picture_is_the_same_in_every_subset(dataset):
    augmentation = data.Augmentation.chest()
    part = dataset.subset(np.arange(10, 20))
    one = dataset.batches(40, augmentation=augmentation, tasks=())[0][0]
    two = part.batches(40, augmentation=augmentation, tasks=("blob",))[0][0]
    np.testing.assert_array_equal(one[10:20], two)
