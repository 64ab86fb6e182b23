"""YAML files that people write: strict, and with the numbers people mean.

PyYAML follows YAML 1.1, where `1e-3` is text and the second of two equal keys
silently wins. Either would train something other than what was written.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from umsrep.data import storage
from umsrep.errors import UmsrepError


class _Loader(yaml.SafeLoader):
    """Safe: it makes plain values only, never objects or calls."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    loader.flatten_mapping(node)
    result = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is not text", key_node.start_mark
            )
        if key in result:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{key}' is there twice", node.start_mark
            )
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_Loader.add_constructor(
    yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping
)


def read_yaml(path: str | Path, what: str = "file") -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: The file.
        what: What it is, for messages.

    Raises:
        UmsrepError: no such file, not YAML, a repeated key, or no mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UmsrepError(
            f"{path} cannot be read ({reason}). Expected a {what}, a text "
            "file in YAML; check the path."
        ) from error
    try:
        loader = _Loader(text)
        loader.name = str(path)
        value = loader.get_single_data()
    # Values such as 2020-99-99 and endless brackets raise others.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UmsrepError(
            f"{path} is not a valid {what} ({reason}). Correct that line."
        ) from error
    if not isinstance(value, dict):
        raise UmsrepError(
            f"{path} holds no mapping. Expected a {what} with lines such as "
            "'stage: finetune'."
        )
    return value


def write_yaml(
    path: storage.AnyPath, value: dict[str, Any], comment: str = ""
) -> None:
    """Writes plain values as YAML, atomically.

    Args:
        path: The file.
        value: A mapping; tuples and paths become lists and text.
        comment: Lines written above it.
    """
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    text = yaml.safe_dump(
        storage.plain(value), sort_keys=False, allow_unicode=True
    )
    storage.write_text(path, head + text)
