"""Identities that must never change: data measured years ago are found by them.

If one of these fails, the code is wrong, not the literal.  Only fingerprints may be replaced, and
only together with the sweep's own declaration.
"""

from collections.abc import Mapping

import pytest

from farm.catalog import load_sweep
from sweeps.axis import Value
from sweeps.generate import group_id
from sweeps.vector import canonical_json, vector_id

VECTORS: list[tuple[str, str, Mapping[str, Value]]] = [
    (
        "3f2977190941853c717c27dfbd750cd6",
        "reshard",
        {
            "input_strategy": "BLOCK",
            "output_strategy": "BLOCK",
            "input_orientation": "ROW_MAJOR",
            "output_orientation": "ROW_MAJOR",
            "dtype": "BFLOAT16",
            "input_grid": (1, 1),
            "output_grid": (1, 2),
            "shape": (1, 1, 512, 32),
        },
    ),
    (
        "2e1affcb27010b8496ed0f68d7389104",
        "matmul",
        {"dtype": "float32", "M": 64, "K": 64, "N": 64},
    ),
    (
        "16810f720dd7ee0c39c9603a0d607873",
        "eltwise",
        {"ufunc": "exp", "dtype": "float32", "shape": (32, 64)},
    ),
    (
        "09f1061dc7e28951b3e11ac67caa0c58",
        "memcpy",
        {"layout": "copy", "dtype": "float32", "shape": (64, 64)},
    ),
    (
        "9dd2ed39542cb496d7195fed429f097f",
        "op",
        {"i": -1, "f": 0.1, "b": True, "s": 'ü"', "g": (2, 3)},
    ),
]


@pytest.mark.parametrize(("expected", "op", "params"), VECTORS)
def test_vector_ids(expected: str, op: str, params: Mapping[str, Value]) -> None:
    assert vector_id(op, params).hex() == expected


def test_what_an_id_is_made_of() -> None:
    value = {"op": "op", "params": {"s": 'ü"', "g": (2, 3), "f": 0.1}}
    assert canonical_json(value) == '{"op":"op","params":{"f":0.1,"g":[2,3],"s":"ü\\""}}'.encode()


def test_group_ids() -> None:
    assert group_id("matmul", {"dtype": "float32"}) == 5955096418920831874
    assert group_id("eltwise", {"ufunc": "exp", "dtype": "float32"}) == 8358907456964085338


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("reshard", "8f9677572ed33f9c458fce10bd253068ea5f9c3339a017053486b2abf93b8920"),
        ("matmul", "e879bcfde74d4d1ada365af08c5c89aa1c75f586a4446fcde5988b0fcded3971"),
        ("eltwise", "a9eb15fe9e2e20bae56a6c14976d89374673f8eb54c529b873f8666089fdb174"),
        ("memcpy", "676f41d322a46495e367705783a5228496bea429f0bf94ea9c62d85d2fa4881f"),
        ("op-model", "75fa05ba6fee695de1923bd0bbf5178fa8110e69b8a50af78208974237067312"),
        ("soc-design", "5bc9954179bcf9174e883b6d3e7c2afc8d3f73efb8a5b20931334897df455739"),
    ],
)
def test_fingerprints_of_the_shipped_sweeps(name: str, fingerprint: str) -> None:
    assert load_sweep(name).fingerprint == fingerprint
