"""Whoever exports a model is told what its origins ask for."""

import pytest

from data_prep import kermany, montgomery, osie, shenzhen
from umsrep.export import licences

COMMERCIAL, ADAPTED, SAME, RESEARCH = licences._RULES


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC BY 4.0", []),
        ("MIT", []),
        ("Apache-2.0", []),
        ("BSD 3-Clause", []),
        ("CC0 1.0", []),
        ("Synthetic; no rights of others.", []),
        ("CC BY-NC 4.0", [COMMERCIAL]),
        ("cc_by_nc_sa_4.0", [COMMERCIAL, SAME]),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives",
         [COMMERCIAL, ADAPTED]),
        ("CC BY-ND 4.0", [ADAPTED]),
        ("GPL-3.0", [SAME]),
        ("LGPL-2.1", [SAME]),
        ("PhysioNet Credentialed Health Data License", [ADAPTED]),
        ("Stanford University Dataset Research Use Agreement: academic use",
         [RESEARCH]),
        ("", [licences.NOT_KNOWN]),
        (None, [licences.NOT_KNOWN]),
        ("not known", [licences.NOT_KNOWN]),
    ],
)  # fmt: skip
def test_restrictions(licence, expected):
    assert licences.restrictions(licence) == expected


def test_those_of_the_converters():
    """Words inside other words (Shenzhen, Montgomery, sand) are no rules."""
    assert licences.restrictions(kermany.DESCRIPTION.licence) == []
    assert licences.restrictions(osie.DESCRIPTION.licence) == []
    found = licences.restrictions(shenzhen.DESCRIPTION.licence)
    assert found == [COMMERCIAL, ADAPTED, SAME, RESEARCH, licences.NOT_KNOWN]
    found = licences.restrictions(montgomery.DESCRIPTION.licence)
    assert found == [ADAPTED, RESEARCH, licences.NOT_KNOWN]
    assert licences.restrictions("Sand and land, Ndola, Sancta") == []


def test_each_origin_is_named():
    metadata = {"run": {"pretrained": {"licence": "CC BY-NC 4.0"}}}
    assert licences.of(metadata, {"licence": "MIT"}) == [
        f"the pretrained weights (CC BY-NC 4.0): {COMMERCIAL}"
    ]
    assert licences.of({"run": {"pretrained": None}}, {}) == [
        f"the data (no licence given): {licences.NOT_KNOWN}"
    ]
