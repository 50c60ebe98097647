"""``input_hash``: the id that tt-metal's sweep framework gives a vector.

SHA-224 over the JSON of the serialised parameters together with suite, module and the validity
fields, keys sorted and without white space; unlike a vector id it changes when a suite is renamed.
A parameter called ``config_hash`` that is not empty is the id itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from farm.tt_metal.bookkeeping import entries
from farm.tt_metal.parameters import parameter_name
from farm.tt_metal.serialisation import JsonValue, canonical_bytes, value_of
from sweeps.axis import Axis
from sweeps.derivation import Label
from sweeps.suite import Codes, Suite

NAME = "input_hash"
_GIVEN_ID = "config_hash"


def input_hash(vector: Mapping[str, JsonValue]) -> str:
    """Hash of one vector.

    Parameters
    ----------
    vector : Mapping
        Serialised parameters, ``suite_name``, ``sweep_name``, ``validity``, ``invalid_reason`` and
        ``status``; not yet ``timestamp``, ``input_hash`` and ``tag``.

    Returns
    -------
    str
        56 hexadecimal digits.
    """
    given = vector.get(_GIVEN_ID)
    return str(given) if given else hashlib.sha224(canonical_bytes(dict(vector))).hexdigest()


def branch_input_hash(vector: Mapping[str, str]) -> str:
    """Hash of one vector on the reshard-modelling branch, where the order of entries counts.

    Parameters
    ----------
    vector : Mapping
        All entries before ``timestamp``, as text.

    Returns
    -------
    str
        56 hexadecimal digits.
    """
    return hashlib.sha224(str(dict(vector)).encode()).hexdigest()


def label(module: str) -> Label:
    """Make the column of hashes of a module's vectors."""
    return Label(NAME, lambda suite, codes: _hashes(module, suite, codes))


def _hashes(module: str, suite: Suite, codes: Mapping[str, Codes]) -> Sequence[str]:
    n = len(next(iter(codes.values())))
    constants = entries(suite.name, module)
    columns: dict[str, list[bytes]] = {
        name: [canonical_bytes(name) + b":" + canonical_bytes(value)] * n
        for name, value in constants.items()
    }
    given: list[JsonValue] = [None] * n
    for axis in suite.axes:
        name = parameter_name(axis.name)
        own = codes[axis.name].tolist()
        values = {code: _serialised(axis, code) for code in set(own)}
        if name == _GIVEN_ID:
            given = [values[code] for code in own]
        if name not in constants:
            key = canonical_bytes(name) + b":"
            fragments = {code: key + canonical_bytes(value) for code, value in values.items()}
            columns[name] = [fragments[code] for code in own]
    ordered = [columns[name] for name in sorted(columns)]
    return [
        str(known) if known else hashlib.sha224(b"{" + b",".join(row) + b"}").hexdigest()
        for known, row in zip(given, zip(*ordered, strict=True), strict=True)
    ]


def _serialised(axis: Axis, code: int) -> JsonValue:
    value = axis.values[code]
    return value_of(value) if isinstance(value, str) else value
