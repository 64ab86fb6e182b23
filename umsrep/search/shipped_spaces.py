"""The search spaces that come with the toolkit."""

from pathlib import Path

SPACES = Path(__file__).parent / "spaces"


def shipped() -> list[str]:
    """Their names."""
    return sorted(path.stem for path in SPACES.glob("*.yaml"))
