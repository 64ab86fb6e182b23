import pandas as pd

from umsrep.derived import Recommended
from umsrep.evaluation import doppler


def test_a_strip_kept_under_a_wrong_flow_is_kept_wrongly():
    class Dataset:
        table = pd.DataFrame(
            {
                "image": ["a.png", "b.png", "c.png"],
                "flow": ["TR", "TR", "MV"],
                "quality": ["good", "good", "low"],
            }
        )

    def advice(flow, keep):
        return Recommended(keep, (), flow, 0.9, "good", 0.9)

    derived = doppler.Derived(
        Dataset,
        doppler.Names("flow", "quality", None),
        {},
        [advice("TR", True), advice("MV", True), advice("MV", False)],
        [],
    )
    rows = list(doppler.rows(derived, None))
    assert [(row["value"], row["true"]) for row in rows] == [
        (1, 1),
        (1, 0),
        (0, 0),
    ]
