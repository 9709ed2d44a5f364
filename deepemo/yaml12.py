"""YAML in version 1.2 (https://yaml.org/spec/1.2.2, section 10.3, the core schema).

DVC reads and writes params.yaml and dvc.lock in this version. PyYAML follows YAML 1.1, where `1e-05`, which DVC writes
for 0.00001, is text, `010` is eight and `no` is false. Here PyYAML's reader and writer get the plain scalars of 1.2.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from deepemo.errors import InputError

_TAG = "tag:yaml.org,2002:"
# Each plain scalar's tag, its pattern, and the characters that it can begin with. All other scalars are text.
_SCALARS: tuple[tuple[str, str, Iterable[str]], ...] = (
    ("null", r"null|Null|NULL|~|", ("n", "N", "~", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("merge", r"<<", "<"),
)
_BASES = {"0o": 8, "0x": 16}


class _Reader(yaml.SafeLoader):
    """PyYAML's reader of plain data, with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML declares it


class _Writer(yaml.SafeDumper):
    """PyYAML's writer of plain data, which quotes text that YAML 1.2 would take for something else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as PyYAML declares it


# DVC's reader also takes these, with underscores, for numbers and dates, so the writer quotes them.
_QUOTED: tuple[tuple[str, str, Iterable[str]], ...] = (
    ("int", r"[-+]?[0-9_]+|[-+]?0o?[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?0b[01_]+", "-+0123456789"),
    ("float", r"[-+]?[0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("timestamp", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*", "0123456789"),
    ("value", r"=", "="),
)

for _name, _pattern, _first in _SCALARS:
    for _class in (_Reader, _Writer):
        _class.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first))
for _name, _pattern, _first in _QUOTED:
    _Writer.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _integer(reader: _Reader, node: yaml.ScalarNode) -> int:
    text = reader.construct_scalar(node)
    return int(text.removeprefix(text[:2]) if text[:2] in _BASES else text, _BASES.get(text[:2], 10))


_Reader.add_constructor(f"{_TAG}int", _integer)


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        InputError: there is no such file, or it is not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Reader)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {error}") from error


def parse_yaml(content: bytes, source: str) -> tuple[Any, dict[str, int]]:
    """Parse YAML, and find the line of each key of its top mapping.

    Args:
        content: the file's bytes.
        source: its name, for the error.

    Returns:
        The plain data, and line numbers from 1 by key; no line numbers if it is not a mapping.

    Raises:
        InputError: it is not YAML in UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
        node = yaml.compose(text, _Reader)
        keys = node.value if isinstance(node, yaml.MappingNode) else []
        lines = {str(key.value): key.start_mark.line + 1 for key, _ in keys}
        return yaml.load(text, _Reader), lines
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: not YAML: {error}") from error


def write_yaml(content: Any) -> str:
    """Plain data as YAML, with keys in their order; the innermost lists and mappings are written in one line."""
    return yaml.dump(content, Dumper=_Writer, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


def in_order_of(values: dict[str, Any], like: Any) -> dict[str, Any]:
    """Values with their keys sorted as in another mapping, at every level; keys that it lacks come last."""
    order = like if isinstance(like, dict) else {}
    names = [*(name for name in order if name in values), *(name for name in values if name not in order)]
    return {
        name: in_order_of(values[name], order.get(name)) if isinstance(values[name], dict) else values[name]
        for name in names
    }
