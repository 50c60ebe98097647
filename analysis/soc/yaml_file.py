"""YAML as people write it: ``1e9`` is a number, and no key is there twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from farm.errors import FormatError

_SCIENTIFIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} is there twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


# YAML 1.1 wants a point and a sign in every exponent, and takes 1e9 for a text.
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _SCIENTIFIC, list("-+.0123456789"))


def parse_yaml(text: str) -> Any:
    """Read plain data from a text.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def read_yaml(path: Path) -> Any:
    """Read plain data from a file.

    Raises
    ------
    FormatError
        If it cannot be read or is not YAML; the message names file and line.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FormatError(f"{path}: not YAML: not a text in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" line {mark.line + 1}:"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise FormatError(f"{path}:{where} not YAML: {problem}") from None
