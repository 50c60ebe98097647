"""The estimator on invented weights: every formula by hand, both modes, choices and warnings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.descriptors.descriptor_table import Descriptors, RowError
from analysis.op_model.estimator.estimator import Estimator
from analysis.op_model.estimator.selection import Mode
from analysis.op_model.parameters.fit_record import FitRecord
from analysis.op_model.parameters.parameter_file import Parameters
from analysis.op_model.parameters.sparse_tables import SparseTables, read_sparse_tables
from farm.errors import UsageError
from tests.invented_op_parameters import OPERATIONS, write_sparse_tables

BOTH = pytest.mark.parametrize("mode", list(Mode))
PRODUCT = {"t": 2, "mblock_m": 3, "mblock_n": 2, "ublock_rt": 2, "ublock_ct": 4}
SPARSE = {"op": "matmul", "t": 2, "mblock_m": 3, "mblock_n": 2, "ublock_rt": 2, "ublock_ct": 1}
SPARSE |= {"mblock_k": 4, "ublock_kt": 1, "nz_tiles": 50, "nz_ublocks": 9, "nz_strips": 6}


def parameters(operations=OPERATIONS, arch="wormhole_b0", **more) -> Parameters:
    return Parameters(arch, 1, operations, "invented.yaml", **more)


@pytest.fixture
def tables(tmp_path: Path) -> SparseTables:
    return read_sparse_tables(write_sparse_tables(tmp_path, factor=2))


def cycles_of(estimator: Estimator, **given) -> float:
    """Estimate one descriptor alone and in a table: they have to agree."""
    descriptor = Descriptor(**given)
    alone = estimator.estimate(descriptor).cycles
    in_table = estimator.estimate_table(Descriptors.of([descriptor])).cycles[0]
    assert alone == pytest.approx(in_table, rel=1e-15)
    return alone


@BOTH
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # 2 slices of 6 blocks of 8 tiles.
        ({"op": "exp", **PRODUCT}, 2 * (6 * 10 + 48 * 1000)),
        ({"op": "exp", "approx": True, **PRODUCT}, 2 * (6 * 30 + 48 * 500)),
        ({"op": "nop", "output_format": "Int8", **PRODUCT}, 2 * (6 * 200.25 + 48 * 30)),
        ({"op": "tilizer", **PRODUCT}, 2 * (6 * 300 + 48 * 50.5)),
        ({"op": "add", **PRODUCT}, 2 * (6 * 200 + 48 * 50)),
        ({"op": "add", "output_format": "Float16", **PRODUCT}, 2 * (6 * 200 + 48 * 50 * 2)),
        ({"op": "add", "output_format": "Float32", **PRODUCT}, 2 * (6 * 200 + 48 * 50 * 4)),
        ({"op": "maximum", "output_format": "Float32", **PRODUCT}, 2 * (6 * 10 + 48 * 300)),
        (
            {
                "op": "dequantization",
                "input_format": "Int32",
                "output_format": "Float32",
                **PRODUCT,
            },
            2 * (6 * 70 + 48 * 700),
        ),
        ({"op": "splice", **PRODUCT}, 2 * (6 * 130 + 48 * 70)),
        ({"op": "reduce", "attribute": "r", **PRODUCT}, 2 * (6 * 76 + 48 * 59)),
        ({"op": "reduce", "attribute": "c", **PRODUCT}, 2 * 48 * 91),
        ({"op": "reduce_z", "reduce_z": 1, **PRODUCT}, 2 * (6 * 5 + 48 * 280)),
        ({"op": "reduce_z", "reduce_z": 7, **PRODUCT}, 2 * 7 * (6 * 5 + 48 * 280 + 260)),
        # U = 5 * 6 blocks, 3 inner tiles: math, spill, blocks and tiles unpacked.
        (
            {"op": "matmul", "mblock_k": 5, "ublock_kt": 3, "fidelity": "HiFi2", **PRODUCT},
            2 * (30 * 8 * 3 * 2 * 15.5 + 4 * 48 * 47 + 30 * 93 + 30 * 3 * 2 * 5 * 3.25),
        ),
        (
            {"op": "matmul", "mblock_k": 5, "ublock_kt": 3, "l1_accumulate": True, **PRODUCT},
            2 * (30 * 8 * 3 * 15 + 30 * 20 + 30 * 3 * 2 * 5 * 3.5),
        ),
        ({"op": "depthwise", "mblock_k": 5, "ublock_kt": 3, **PRODUCT}, 2 * 30 * 8 * 3 * 79),
    ],
)
def test_dense_formulas_by_hand(mode: Mode, given, expected: float) -> None:
    estimator = Estimator(parameters(), mode=mode, may_fall_back=True)
    whole = np.floor(expected) if mode is Mode.PARITY else expected
    assert cycles_of(estimator, **given) == whole


@BOTH
def test_the_first_matmul_formula_by_hand(mode: Mode) -> None:
    weights = {"matmul": {"base": {"m_k_weight": 1300, "ublock_weight": 56, "tile_weight": 36}}}
    estimator = Estimator(parameters(weights, "grayskull"), mode=mode)
    given = {"op": "matmul", "mblock_k": 5, "ublock_kt": 3, "fidelity": "HiFi3", **PRODUCT}
    expected = 2 * (4 * 1300 + 30 * 56 + 30 * 8 * 3 * 36 * 3)
    assert cycles_of(estimator, **given) == expected
    assert estimator.estimate(Descriptor(**given)).formula == "matmul v1"


@BOTH
def test_the_first_sparse_formula_by_hand(mode: Mode) -> None:
    given = {**SPARSE, "nz_ublocks": -1, "nz_strips": -1}
    # 50 // (2 * 2 * 1) = 12 non-zero blocks where normal mode has them too; 2 * 4 * 3 = 24 in all.
    reload_one = 21 + 20 * 1 * 2
    math = 50 * 2 * 1 * 18 * 1
    reload = 2 * (24 * 22 + 12 * reload_one) + 3 * 2 * reload_one * 2
    pack = 25 * (24 - 12) * 2 + 26 * 2 * 2 * 2 * 3 * 1 * 2
    decode = 50 * 12 * (2 + 2) + 24 * 8 + 12 * 9
    assert cycles_of(Estimator(parameters(), mode=mode), **given) == math + reload + pack + decode


@BOTH
@pytest.mark.parametrize(
    ("formats", "scale", "times"),
    [
        ({"output_format": "Bfp8", "fidelity": "LoFi"}, 1.0, 1),
        ({"output_format": "Float16", "fidelity": "HiFi2"}, 1.0, 2),
        ({"output_format": "Float16_b", "fidelity": "HiFi3"}, 1.2, 2),
        ({"output_format": "Float16_b", "fidelity": "HiFi4"}, 1.7, 2),
    ],
)
def test_the_second_sparse_formula_by_hand(mode, tables, formats, scale, times) -> None:
    estimator = Estimator(parameters(), tables, mode)
    # Of the tables: 2 x 1 tiles, 1 inner tile: 120, 100, 90.
    decode = 6 * 3 * 80 + 9 * 81 + 6 * 100
    math = 50 * 2 * 1 * 120 * times * scale
    reload = 9 * 2 * 1 * 2 * 100 * times
    pack = 2 * 2 * 3 * 1 * 2 * 90 * times
    assert cycles_of(estimator, **SPARSE, **formats) == decode + math + reload + pack
    answer = estimator.estimate(Descriptor(**SPARSE, **formats))
    assert (answer.formula, answer.warnings) == ("sparse v2", ())


@BOTH
def test_one_outer_step_reloads_nothing_twice(mode: Mode, tables) -> None:
    estimator = Estimator(parameters(), tables, mode)
    second = {**SPARSE, "mblock_k": 1, "output_format": "Bfp8"}
    # Without the 9 * 2 * 1 * 2 * 100 of reloading.
    several = cycles_of(estimator, **SPARSE, output_format="Bfp8")
    assert cycles_of(estimator, **second) == several - 3600
    first = {**second, "nz_ublocks": -1}
    # As many blocks as non-zero ones, 12; no spill.
    math = 50 * 2 * 18
    reload = 2 * (12 * 22 + 12 * 61)
    assert cycles_of(estimator, **first) == math + reload + 26 * 24 * 2 + 2400 + 12 * 8 + 12 * 9


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nz_strips": -1}, ""),
        ({"output_format": "Float16", "fidelity": "LoFi"}, "do not cover Float16 with LoFi"),
        ({"output_format": "Bfp8", "fidelity": "HiFi4"}, "do not cover Bfp8 with HiFi4"),
    ],
)
def test_sparse_products_without_tables_of_theirs_take_the_first_formula(
    tables, change, reason: str
) -> None:
    answer = Estimator(parameters(), tables).estimate(Descriptor(**SPARSE | change))
    assert answer.formula == "sparse v1"
    assert reason in " ".join(answer.warnings)
    assert bool(answer.warnings) == bool(reason)


def test_without_tables_counts_are_not_used_and_that_is_said() -> None:
    answer = Estimator(parameters()).estimate(Descriptor(**SPARSE))
    assert answer.formula == "sparse v1"
    assert "there are no sparse tables for wormhole_b0" in answer.warnings[0]


def test_one_table_may_mix_both_sparse_formulas(tables) -> None:
    rows = [
        Descriptor(**SPARSE),
        Descriptor(**SPARSE | {"nz_strips": -1}),
        Descriptor(**SPARSE | {"t": 3, "output_format": "Float16", "fidelity": "HiFi2"}),
        Descriptor("add"),
    ]
    for mode in Mode:
        estimator = Estimator(parameters(), tables, mode)
        answers = estimator.estimate_table(Descriptors.of(rows))
        assert answers.cycles.tolist() == [estimator.estimate(row).cycles for row in rows]
        formulas = [answers.plans[i].formula.name for i in answers.plan_of_row]
        assert formulas == ["sparse v2", "sparse v1", "sparse v2", "binary"]


CROSSED = {
    "exp": {
        "base": {"tile_weight": 1.0},
        "approx/vector_r": {"tile_weight": 2.0},
        "vector_r": {"tile_weight": 3.0},
        "approx": {"tile_weight": 4.0},
    }
}


def test_parity_takes_the_last_that_holds_and_normal_the_most_special() -> None:
    given = Descriptor("exp", approx=True, vector_mode="r")
    parity = Estimator(parameters(CROSSED), mode=Mode.PARITY).estimate(given)
    assert (parity.cycles, parity.choice.set_name) == (4.0, "approx")
    assert parity.choice.reason == "the last in the file that holds"
    assert parity.choice.uncovered == ("vector_r",)
    normal = Estimator(parameters(CROSSED)).estimate(given)
    assert (normal.cycles, normal.choice.set_name) == (2.0, "approx/vector_r")
    assert normal.choice.reason == "most special of 4 that hold"


def test_of_equals_the_data_format_weighs_more_than_the_order() -> None:
    given = Descriptor("matmul", mblock_k=1, ublock_kt=1, l1_accumulate=True, output_format="Int32")
    normal = Estimator(parameters()).estimate(given)
    assert normal.choice.set_name == "df_int32"
    assert "the set df_int32 of matmul does not cover l1_acc_en" in normal.warnings
    parity = Estimator(parameters(), mode=Mode.PARITY).estimate(given)
    assert parity.choice.set_name == "l1_acc_en"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"op": "exp", "vector_mode": "c"}, "the set base of exp does not cover vector_c"),
        ({"op": "add", "output_format": "Int8"}, "the set base of add does not cover df_int8"),
        ({"op": "exp", "output_format": "Float32"}, "does not cover data format Float32"),
        (
            {"op": "add", "output_format": "Float16"},
            "cost 2 times as much as those of block floats",
        ),
    ],
)
def test_what_no_set_covers_is_said(given, expected: str) -> None:
    assert expected in " ".join(Estimator(parameters()).estimate(Descriptor(**given)).warnings)


def test_block_floats_of_a_common_set_need_no_warning() -> None:
    assert Estimator(parameters()).estimate(Descriptor("exp")).warnings == ()


@BOTH
def test_an_unknown_operation_is_an_error_unless_a_fallback_is_asked_for(mode: Mode) -> None:
    given = Descriptor("embedding", **PRODUCT)
    with pytest.raises(UsageError, match="has no parameters of embedding; with --fallback"):
        Estimator(parameters(), mode=mode).estimate(given)
    answer = Estimator(parameters(), mode=mode, may_fall_back=True).estimate(given)
    assert answer.cycles == 2 * (6 * 300 + 48 * 50.5)
    assert answer.choice.is_fallback
    assert answer.choice.op == "nop"
    assert "fall-back to nop" in answer.warnings[0]
    assert answer.sureness == "unknown: the weights of another operation stand in"


def test_a_fallback_needs_weights_that_the_formula_knows() -> None:
    only_nop = {"nop": OPERATIONS["nop"]}
    estimator = Estimator(parameters(only_nop), may_fall_back=True)
    with pytest.raises(UsageError, match="has no weight of the matmul v2 formula"):
        estimator.estimate(Descriptor("matmul", mblock_k=1, ublock_kt=1))
    without = Estimator(parameters({"add": OPERATIONS["add"]}), may_fall_back=True)
    with pytest.raises(UsageError, match="and none of nop to fall back to"):
        without.estimate(Descriptor("exp"))


def test_a_file_without_a_set_that_holds_says_which_there_are() -> None:
    only_int8 = {"add": {"df_int8": {"tile_weight": 1.0}}}
    with pytest.raises(UsageError, match="has no set of add that holds, only df_int8"):
        Estimator(parameters(only_int8)).estimate(Descriptor("add"))


def test_missing_weights_count_as_nothing_and_are_said() -> None:
    answer = Estimator(parameters(CROSSED)).estimate(Descriptor("exp"))
    assert answer.cycles == 1.0
    assert answer.warnings == ("the set base of exp has no ublock_weight: taken as 0",)


@BOTH
def test_no_cycles_is_an_error(mode: Mode) -> None:
    nothing = {"add": {"base": {"ublock_weight": 0, "tile_weight": 0.0}}}
    estimator = Estimator(parameters(nothing), mode=mode)
    with pytest.raises(UsageError, match="gives 0 cycles"):
        estimator.estimate(Descriptor("add"))
    with pytest.raises(RowError, match=r"^row 0: .*gives 0 cycles"):
        estimator.estimate_table(Descriptors.of([Descriptor("add")]))


def test_another_architecture_is_refused() -> None:
    with pytest.raises(UsageError, match=r"invented\.yaml is of wormhole_b0, not of grayskull"):
        Estimator(parameters()).estimate(Descriptor("add", arch="grayskull"))


@pytest.mark.parametrize(
    ("arch", "version", "given", "expected"),
    [
        ("wormhole", 1, {}, "parity knows no architecture 'wormhole'"),
        ("grayskull", 3, {}, "parity knows grayskull up to version 2, not 3"),
        ("blackhole", 1, {"output_format": "Int8"}, "parity knows Int8 on wormhole_b0 only"),
    ],
)
def test_parity_refuses_what_the_original_refuses(arch, version, given, expected: str) -> None:
    known = Parameters(arch, version, OPERATIONS, "invented.yaml")
    with pytest.raises(UsageError, match=expected):
        Estimator(known, mode=Mode.PARITY).estimate(Descriptor("nop", **given))
    assert Estimator(known).estimate(Descriptor("nop", **given)).cycles > 0


def test_parity_wraps_and_normal_does_not() -> None:
    given = {"mblock_m": 2**17, "mblock_n": 2**15 + 1}  # 2**32 + 2**17 blocks of one tile
    assert cycles_of(Estimator(parameters()), op="add", **given) == 250.0 * (2**32 + 2**17)
    wrapped = Estimator(parameters(), mode=Mode.PARITY)
    assert cycles_of(wrapped, op="add", **given) == 250 * 2**17


def test_parity_has_the_precision_of_32_bits_and_a_largest_result() -> None:
    parity = Estimator(parameters(), mode=Mode.PARITY)
    blocks = {"mblock_m": 1001, "mblock_n": 1003}  # 250 times as many cycles: above 2**24
    exact = 250 * 1001 * 1003
    in_32_bits = float(
        np.float32(1001 * 1003) * np.float32(200) + np.float32(1001 * 1003) * np.float32(50)
    )
    assert in_32_bits != exact
    assert cycles_of(parity, op="add", **blocks) == in_32_bits
    assert cycles_of(parity, op="add", t=1000, **blocks) == 2**30
    assert cycles_of(Estimator(parameters()), op="add", t=1000, **blocks) == exact * 1000


RECORD = FitRecord(75, 1.25, True, "add.csv", {"mblock_m": (2, 8), "t": (1, 1)})


@pytest.mark.parametrize(
    ("given", "percent", "sureness"),
    [
        ({"mblock_m": 4}, 1.25, "mean error 1.25 %, of rows not fitted (75 rows)"),
        ({"mblock_m": 16}, None, "unknown: outside of what was fitted, where the mean error was"),
        ({"mblock_m": 4, "output_format": "Int8"}, None, "unknown: not all is covered by the set"),
    ],
)
def test_how_sure_an_estimate_is(given, percent, sureness: str) -> None:
    estimator = Estimator(parameters(records={("add", "base"): RECORD}))
    answer = estimator.estimate(Descriptor("add", **given))
    assert answer.expected_error_percent == percent
    assert answer.sureness.startswith(sureness)
    in_table = estimator.estimate_table(Descriptors.of([Descriptor("add", **given)]))
    expected = np.nan if percent is None else percent
    np.testing.assert_array_equal(in_table.expected_error_percent, [expected])
    assert in_table.is_extrapolated.tolist() == ["outside" in sureness]
    assert any("an extrapolation: mblock_m=16" in w for w in answer.warnings) == (
        "outside" in sureness
    )


def test_an_error_of_fitted_rows_is_called_that() -> None:
    record = FitRecord(10, 2.0, False, "add.csv")
    estimator = Estimator(parameters(records={("add", "base"): record}))
    answer = estimator.estimate(Descriptor("add"))
    assert answer.sureness == "mean error 2 %, of the fitted rows themselves (10 rows)"


def test_large_tables_are_the_same_as_their_blocks() -> None:
    n = 70_001
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "op": random.choice(["add", "exp", "nop"], n),
            "mblock_m": random.integers(1, 9, n),
            "approx": random.random(n) < 0.5,
        }
    )
    answers = Estimator(parameters()).estimate_table(Descriptors.from_frame(frame))
    tile = frame["op"].map({"add": 50.0, "exp": 1000.0, "nop": 50.5})
    block = frame["op"].map({"add": 200.0, "exp": 10.0, "nop": 300.0})
    is_approx = (frame["op"] == "exp") & frame["approx"]
    tile, block = tile.where(~is_approx, 500.0), block.where(~is_approx, 30.0)
    np.testing.assert_allclose(answers.cycles, frame["mblock_m"] * (tile + block), rtol=1e-15)


def test_no_rows_are_no_estimates() -> None:
    assert len(Estimator(parameters()).estimate_table(Descriptors.of([])).cycles) == 0


def test_a_row_that_cannot_be_estimated_is_named() -> None:
    rows = [Descriptor("add"), Descriptor("add"), Descriptor("topk")]
    with pytest.raises(RowError, match=r"^row 2: .*no parameters of topk"):
        Estimator(parameters()).estimate_table(Descriptors.of(rows))
