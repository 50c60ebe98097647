"""Descriptors: validated one by one and in columns, from JSON, texts and tables."""

from __future__ import annotations

import dataclasses
import pickle

import pandas as pd
import pytest

from analysis.op_model.descriptors.descriptor import Descriptor, Sizes
from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
from analysis.op_model.descriptors.formats import (
    BLOCK_FLOATS,
    FIDELITY_PHASES,
    TILE_BYTES,
    DataFormat,
    Fidelity,
)
from farm.errors import UsageError

MATMUL = {"op": "matmul", "mblock_k": 4, "ublock_kt": 2}


def test_tile_bytes_are_data_exponents_and_header() -> None:
    bits = {"Float32": 32, "Tf32": 32, "RawUInt32": 32, "Int32": 32, "Float16": 16, "Int8": 8}
    bits |= {"Bfp8": 8, "Bfp4": 4, "Bfp2": 2}
    for data_format in DataFormat:
        n_bits = bits[data_format.removesuffix("_b")]
        n_exponents = 1024 // 16 if data_format in BLOCK_FLOATS else 0
        assert TILE_BYTES[data_format] == 1024 * n_bits // 8 + n_exponents + 32


def test_every_fidelity_has_its_phases() -> None:
    assert set(FIDELITY_PHASES) == set(Fidelity)
    assert [FIDELITY_PHASES[Fidelity(f"HiFi{n}")] for n in (2, 3, 4)] == [2, 3, 4]


def test_names_are_read_in_any_case_and_kept_canonical() -> None:
    found = Descriptor("add", output_format="BFP8_B", fidelity="hifi4", vector_mode="RC")
    assert (found.output_format, found.input_format) == ("Bfp8_b", "Bfp8_b")
    assert (found.fidelity, found.vector_mode) == ("HiFi4", "rc")
    assert type(found.output_format) is str


def test_json_goes_both_ways() -> None:
    found = Descriptor("dequantization", t=3, input_format="Int32", output_format="Float32")
    assert Descriptor.from_json(found.as_json()) == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert list(found.as_json()) == [f.name for f in dataclasses.fields(Descriptor)]


@pytest.mark.parametrize(
    ("given", "op"),
    [
        ({**MATMUL}, "matmul"),
        ({**MATMUL, "nz_tiles": 3}, "matmul_sparse"),
        ({"op": "reduce", "attribute": "z"}, "reduce_z"),
        ({"op": "reduce", "attribute": "c"}, "reduce"),
    ],
)
def test_the_effective_operation(given, op: str) -> None:
    assert Descriptor(**given).traits.op == op
    assert Descriptors.from_frame(pd.DataFrame([given])).traits[0].op == op


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"op": "exq"}, "unknown operation 'exq' (did you mean exp?)"),
        ({"op": "exp", "t": 0}, "t is 0: it has to be 1 to"),
        ({"op": "exp", "mblock_m": 2**31}, "mblock_m is 2147483648"),
        ({"op": "exp", "nz_ublocks": -2}, "nz_ublocks is -2: it has to be -1"),
        (
            {"op": "exp", "output_format": "Float17"},
            "unknown data format 'Float17' (did you mean Fl",
        ),
        ({"op": "exp", "fidelity": "High"}, "unknown math fidelity 'High'"),
        ({"op": "exp", "vector_mode": "q"}, "unknown vector mode 'q'"),
        ({"op": "exp", "attribute": "c"}, "exp has attribute='c': only reduce has one"),
        ({"op": "reduce", "attribute": "x"}, "reduce works along r, c or z"),
        ({"op": "exp", "nz_tiles": 1}, "only matrix products are sparse"),
        ({"op": "matmul", "ublock_kt": 1}, "matmul needs mblock_k and ublock_kt of at least 1"),
        ({"op": "depthwise", "mblock_k": 1}, "depthwise needs mblock_k and ublock_kt"),
        ({"op": "matmul_sparse", "mblock_k": 1}, "needs mblock_k and nz_tiles of at least 1"),
        (
            {**MATMUL, "nz_tiles": 3, "nz_strips": 0},
            "nz_ublocks and nz_strips are 1 or more, or -1",
        ),
        (
            {"op": "matmul", "mblock_k": 1, "nz_tiles": 3, "nz_strips": 1, "nz_ublocks": 1},
            "with nz_ublocks and nz_strips needs ublock_kt",
        ),
    ],
)
def test_bad_values_are_refused_alone_and_in_tables(given, expected: str) -> None:
    with pytest.raises(UsageError) as alone:
        Descriptor(**given)
    assert expected in str(alone.value)
    good = Descriptor("nop").as_json()
    table = pd.DataFrame([good, {**good, **given}])
    with pytest.raises(RowError) as in_table:
        Descriptors.from_frame(table)
    assert in_table.value.row == 1
    assert str(in_table.value).startswith("row 1: ")
    assert expected.split(":", maxsplit=1)[0] in str(in_table.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([1], "a descriptor is a JSON object"),
        ({"op": "exp", "mblok_m": 2}, "unknown key 'mblok_m' (did you mean mblock_m?)"),
        ({"t": 2}, "op is missing"),
        ({"op": "exp", "t": 2.0}, "t is 2.0: it has to be a whole number"),
        ({"op": "exp", "t": True}, "t is True: it has to be a whole number"),
        ({"op": "exp", "approx": 1}, "approx is 1: it has to be true or false"),
        ({"op": 3}, "op is 3: it has to be a text"),
    ],
)
def test_bad_json_says_where(data, expected: str) -> None:
    with pytest.raises(UsageError, match=r"^here: ") as caught:
        Descriptor.from_json(data, "here")
    assert expected in str(caught.value)


def test_texts_of_a_command_line() -> None:
    found = Descriptor.parse(["op=exp", "t=2", "approx=yes", "vector_mode=c"])
    assert found == Descriptor("exp", t=2, approx=True, vector_mode="c")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["op"], "'op': write KEY=VALUE"),
        (["=3"], "write KEY=VALUE"),
        (["op=exp", "op=add"], "op is given twice"),
        (["op=exp", "t=two"], "t='two' is not a whole number"),
        (["op=exp", "approx=maybe"], "approx='maybe': write true or false"),
        (["op=exp", "tt=2"], "unknown key 'tt'"),
    ],
)
def test_bad_texts(texts: list[str], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        Descriptor.parse(texts)
    assert expected in str(caught.value)


def test_lists_in_json_files(tmp_path) -> None:
    path = tmp_path / "two.json"
    path.write_text('[{"op": "exp"}, {"op": "add", "t": 2}]')
    assert Descriptor.read(path) == [Descriptor("exp"), Descriptor("add", t=2)]
    path.write_text('[{"op": "exp"}, {"op": "ad"}]')
    with pytest.raises(UsageError, match=r"two\.json: item 1: unknown operation 'ad'"):
        Descriptor.read(path)
    path.write_text("{")
    with pytest.raises(UsageError, match=r"two\.json: no JSON"):
        Descriptor.read(path)
    with pytest.raises(UsageError, match="cannot be read"):
        Descriptor.read(tmp_path / "nothing.json")


def test_a_table_is_the_same_as_its_rows() -> None:
    rows = [
        Descriptor("exp", t=2, approx=True),
        Descriptor("add", mblock_m=3, output_format="Float16"),
        Descriptor("exp", t=5, approx=True),
        Descriptor.from_json({**MATMUL, "nz_tiles": 3}),
        Descriptor.from_json(MATMUL),
    ]
    by_rows = Descriptors.of(rows)
    by_frame = Descriptors.from_frame(pd.DataFrame([row.as_json() for row in rows]))
    for table in (by_rows, by_frame):
        assert len(table) == 5
        assert [table.traits[i] for i in table.trait_of_row] == [row.traits for row in rows]
        for name, column in zip(Sizes._fields, table.sizes, strict=True):
            assert column.tolist() == [getattr(row, name) for row in rows]


def test_missing_columns_have_their_defaults() -> None:
    table = Descriptors.from_frame(pd.DataFrame({"op": ["exp", "add"], "t": [1, 2]}))
    assert Descriptor("exp").traits == table.traits[0]
    assert table.sizes.nz_ublocks.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"t": [1]}, "the table has no column op"),
        ({"op": ["exp"], "t": ["two"]}, "column t: not all values are whole numbers"),
        ({"op": ["exp"], "t": [1.5]}, "row 0: t is 1.5"),
        ({"op": ["exp"], "t": [float("nan")]}, "row 0: t is nan"),
        ({"op": ["exp", None]}, "row 1: op is"),
        ({"op": ["exp"], "approx": ["perhaps"]}, "row 0: approx is 'perhaps'"),
    ],
)
def test_bad_tables(frame, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        Descriptors.from_frame(pd.DataFrame(frame))
    assert expected in str(caught.value)


def test_an_empty_table_is_empty() -> None:
    assert len(Descriptors.of([])) == 0
    assert len(Descriptors.from_frame(pd.DataFrame({"op": pd.Series([], dtype=str)}))) == 0
