"""What the licences that a model was learnt under say of passing it on.

Not legal advice: words that are known in a licence's name or text are looked
for, so that nobody passes a file on without having been told. Whether learnt
weights are an adaptation of what they were learnt from is not settled; the
card assumes the worse.
"""

import re

NOT_KNOWN = "unknown terms: ask whoever it comes from before you pass it on"
# {what it says: how it is recognised}.
_RULES = {
    "no commercial use": r"\bnc\b|non-?commercial|not for commercial",
    "no adaptations, which learnt weights may be: do not pass the file on": (
        r"\bnd\b|no-?\s?deriv|do not redistribute|not (be )?redistribut"
        r"|credentialed|data use agreement|competition"
    ),
    "adaptations under the same terms": (
        r"\bsa\b|share-?\s?alike|\b[al]?gpl\b|general public"
    ),
    "research only": r"for research|research (use )?only|academic",
}
_UNKNOWN = r"^$|not (stated|known|given)|no formal|unknown|see keras\.io"


def restrictions(licence: str | None) -> list[str]:
    """What a licence forbids or asks for, in words.

    Args:
        licence: Its name or a sentence on it, such as "CC BY-NC 4.0".

    Returns:
        Nothing of a licence that permits all with attribution (CC BY, MIT,
        Apache-2.0), as far as is known.
    """
    text = (licence or "").strip().lower().replace("_", "-")
    found = [words for words, rule in _RULES.items() if re.search(rule, text)]
    if re.search(_UNKNOWN, text):
        found.append(NOT_KNOWN)
    return found


def of(metadata: dict, header: dict) -> list[str]:
    """A line for each of the file's origins that restricts its use.

    Args:
        metadata: Of the exported file, as `exporting.describe`.
        header: dataset.json of the data that it learnt from.
    """
    pretrained = metadata["run"].get("pretrained") or {}
    licences = {"the data": header.get("licence")}
    if pretrained:
        licences["the pretrained weights"] = pretrained.get("licence")
    return [
        f"{what} ({licence or 'no licence given'}): {', '.join(found)}"
        for what, licence in licences.items()
        if (found := restrictions(licence))
    ]
