import numpy as np
import pytest

from umsrep.data.order import shuffled
from umsrep.errors import UmsrepError


def rng(seed=0):
    return np.random.default_rng(seed)


def labels_in(order, labelled):
    """(batches, tasks): labels that each batch counts."""
    table = np.stack(list(labelled.values()), axis=1)
    return (table[order.positions] * order.counted[..., None]).sum(axis=1)


@pytest.mark.parametrize(
    ("count", "batch_size", "batches"),
    [(31, 16, 2), (32, 16, 2), (33, 16, 3), (5, 16, 1), (7, 1, 7), (16, 16, 1)],
)
def test_every_image_counts_once(count, batch_size, batches):
    order = shuffled(count, batch_size, rng())
    size = min(batch_size, count)
    assert order.positions.shape == order.counted.shape == (batches, size)
    counted = order.positions[order.counted]
    np.testing.assert_array_equal(np.sort(counted), np.arange(count))


def test_fill_is_real_and_not_repeated_within_its_batch():
    order = shuffled(33, 16, rng())
    assert order.counted[:-1].all()
    assert order.counted[-1].sum() == 1
    assert len(np.unique(order.positions[-1])) == 16


def test_orders_differ_by_generator_alone():
    one, same, other = (shuffled(40, 8, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.positions, same.positions)
    assert (one.positions != other.positions).any()


@pytest.mark.parametrize("seed", range(20))
def test_enough_labels_are_in_every_batch_and_each_counts_once(seed):
    labelled = {
        "all": np.ones(203, bool),
        "many": rng(seed).permutation(203) < 60,
        "few": rng(seed + 99).permutation(203) < 13,
    }
    order = shuffled(203, 16, rng(seed), labelled)
    assert (labels_in(order, labelled) > 0).all()
    counted = order.positions[order.counted]
    np.testing.assert_array_equal(np.sort(counted), np.arange(203))


@pytest.mark.parametrize("seed", range(20))
def test_too_few_labels_come_again(seed):
    labelled = {
        "many": rng(seed).permutation(200) < 180,
        "few": rng(seed + 99).permutation(200) < 5,
    }
    order = shuffled(200, 16, rng(seed), labelled)
    counts = labels_in(order, labelled)
    assert (counts > 0).all()
    # 13 batches share 5 labels as evenly as they can.
    shown = order.positions[order.counted]
    times = np.bincount(shown, minlength=200)[labelled["few"]]
    assert set(times) <= {2, 3}
    # They take few places of others.
    assert len(np.unique(shown)) >= 200 - 8


def test_labels_that_do_not_go_into_a_batch():
    apart = {name: np.arange(9) % 3 == i for i, name in enumerate("abc")}
    with pytest.raises(UmsrepError, match="Choose a larger batch size"):
        shuffled(9, 2, rng(), apart)
