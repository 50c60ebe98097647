"""Sparse tables: keys are whole numbers, gaps are filled by two rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.op_model.parameters.sparse_tables import (
    find_sparse_tables,
    read_sparse_tables,
    read_table,
)
from farm.errors import FormatError, UsageError
from tests.invented_op_parameters import SPARSE_CELLS, write_sparse_tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sparse_tables(tmp_path / "wormhole_b0_sparse_v2_formula_params", factor=2)


def test_keys_of_two_digits_are_read_whole(folder: Path) -> None:
    table = read_table(folder / "params_lofi.yaml")
    assert list(table) == [1, 2, 16]
    assert table[16][1][1] == (40, 45, 40)


def test_measured_cells_are_kept_by_both_rules(folder: Path) -> None:
    tables = read_sparse_tables(folder)
    assert tables.stepped.shape == (2, 16, 4, 4, 3)
    for (rt, ct, kt), cycles in SPARSE_CELLS.items():
        for grid in (tables.stepped, tables.interpolated):
            assert grid[0, rt - 1, ct - 1, kt - 1].tolist() == list(cycles)
            assert grid[1, rt - 1, ct - 1, kt - 1].tolist() == [2 * c for c in cycles]


@pytest.mark.parametrize(
    ("block", "measured"),
    [
        ((1, 1, 3), (1, 1, 1)),
        ((1, 3, 4), (1, 1, 4)),
        ((1, 4, 4), (1, 4, 1)),
        ((2, 4, 4), (2, 1, 4)),
        ((15, 4, 3), (2, 1, 1)),
        ((16, 2, 4), (16, 1, 1)),
    ],
)
def test_stepping_goes_to_the_next_smaller_key_axis_by_axis(folder: Path, block, measured) -> None:
    rt, ct, kt = block
    grid = read_sparse_tables(folder).stepped
    assert grid[0, rt - 1, ct - 1, kt - 1].tolist() == list(SPARSE_CELLS[measured])


def test_interpolation_is_straight_in_the_reciprocal(folder: Path) -> None:
    grid = read_sparse_tables(folder).interpolated[0]
    # 1/2 is two thirds of the way from 1/1 to 1/4: 330 - 230 * 2/3.
    assert grid[0, 0, 1, 0] == pytest.approx(330 - 230 * 2 / 3)
    # Of block rows, 4 lies between 2 and 16: (1/2 - 1/4) / (1/2 - 1/16) = 4/7.
    assert grid[3, 0, 0, 0] == pytest.approx(120 + (40 - 120) * 4 / 7)
    assert np.all(np.diff(grid[0, 0, :, 0]) < 0)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("u_kt_4:", "u_kt_x:", "u_kt_x has to be u_kt_<n>"),
        ("u_kt_4:", "u_kt_0:", "u_kt_0 has to be u_kt_<n>"),
        ("u_kt_4:", "u_kt_4000000000:", "n from 1 to 64"),
        ("u_kt_4:", "u_kt_1:", "u_kt_1 comes twice"),
        ("ublock_rt_1:", "ublock_rt_3:", "the entry of 1 x 1 tiles and 1 inner tile is missing"),
        (
            "reload_cycles: 140",
            "reload: 140",
            "has to hold math_cycles_with_tile_decode, reload_cy",
        ),
        ("reload_cycles: 140", "reload_cycles: -1", "negative"),
        ("reload_cycles: 140", "reload_cycles: many", "reload_cycles is many"),
    ],
)
def test_bad_tables_say_what_and_where(folder: Path, old: str, new: str, expected: str) -> None:
    path = folder / "params_lofi.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FormatError) as caught:
        read_sparse_tables(folder)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_tables_are_found_near_the_parameters(folder: Path, tmp_path: Path) -> None:
    beside = tmp_path / "wormhole_b0" / "params_v3.yaml"
    assert find_sparse_tables(beside, "wormhole_b0") == folder
    assert find_sparse_tables(tmp_path, "wormhole_b0") == folder
    assert find_sparse_tables(tmp_path, "grayskull") is None


def test_half_of_a_pair_is_an_error(folder: Path) -> None:
    (folder / "params_hifi2.yaml").unlink()
    with pytest.raises(UsageError, match=r"params_hifi2\.yaml: cannot be read"):
        read_sparse_tables(folder)


def test_recorded_tables(data_dir: Path) -> None:
    params = data_dir / "opmodel" / "params"
    found = find_sparse_tables(params, "wormhole_b0")
    assert found is not None
    tables = read_sparse_tables(found)
    assert tables.stepped[0, 0, 0, 6].tolist() == [100, 136, 117]
