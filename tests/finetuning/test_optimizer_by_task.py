"""An optimizer for each task."""

import keras
import pytest

from umsrep import MultiTaskModel
from umsrep.errors import UmsrepError
from umsrep.finetuning import Alternating, Independent, Joint
from umsrep.heads import ClassificationHead, SegmentationHead
from umsrep.representations import ConvAutoencoder
from umsrep.stages import FinetuneSettings


def build():
    keras.utils.set_random_seed(0)
    return MultiTaskModel(
        ConvAutoencoder((32, 32, 1), filters=(4, 8)),
        [
            SegmentationHead("blob"),
            ClassificationHead(2, "level", hidden_units=8),
        ],
    )


def sides(dataset):
    train, validation, _ = dataset.split(fractions=(0.6, 0.4, 0), seed=1)
    return train, validation


def test_each_lane_gets_its_tasks_optimizer():
    strategy = Alternating(optimizer={"lung": "rmsprop", "finding": "sgd"})
    assert isinstance(strategy.optimizer_of("lung"), keras.optimizers.RMSprop)
    assert isinstance(strategy.optimizer_of("finding"), keras.optimizers.SGD)
    assert isinstance(strategy.optimizer_of("other"), keras.optimizers.Adam)


def test_one_loss_has_one_optimizer():
    with pytest.raises(UmsrepError, match="one optimizer for all tasks"):
        Joint(optimizer={"lung": "sgd"})
    with pytest.raises(UmsrepError, match="one optimizer for all tasks"):
        FinetuneSettings(strategy="joint", optimizer={"lung": "sgd"})


def test_a_name_that_is_none_is_refused_for_one_task_too():
    assert FinetuneSettings(optimizer={"lung": "SGD"}).optimizer == {
        "lung": "sgd"
    }
    with pytest.raises(UmsrepError, match="Choose one of adadelta"):
        FinetuneSettings(optimizer={"lung": "sdg"})


def test_an_unknown_task_is_refused(dataset):
    strategy = Independent(optimizer={"lungs": "sgd"})
    with pytest.raises(UmsrepError, match="there is no task 'lungs'"):
        strategy.fit(build(), *sides(dataset), epochs=1, progress=False)


def test_trainings_differ_where_their_optimizers_do(dataset):
    """A task's weights depend on its own optimizer, and on no other's."""

    def trained(**options):
        network = build()
        Independent(optimizer=options).fit(
            network, *sides(dataset), epochs=1, seed=0, progress=False
        )
        return {
            task: network.head(task).get_weights() for task in network.tasks
        }

    adam = trained(blob="adam", level="adam")
    mixed = trained(blob="adam", level="sgd")
    same = [
        all((a == b).all() for a, b in zip(adam[t], mixed[t], strict=True))
        for t in ("blob", "level")
    ]
    assert same == [True, False]
