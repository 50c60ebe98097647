"""Weights of parameter sets: the recorded regression, and what it left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.estimator.estimator import Estimator
from analysis.op_model.fit.parameter_fit import fit_sets, operations_of
from analysis.op_model.fit.reference_regression import fit_reference
from analysis.op_model.parameters.attribute_sets import file_order
from analysis.op_model.parameters.parameter_file import Parameters, shadowed_sets
from analysis.op_model.sweep_files.reader import read_sweep

ELTWISE = {"ublock_weight": 250.0, "tile_weight": 40.0}
MATMUL = {"m_k_weight": 70.0, "ublock_weight": 150.0, "tile_weight": 12.0}
BLOCKS = [{"mblock_m": m, "ublock_ct": c} for m in (2, 4, 8) for c in (1, 2, 4)]
STEPS = [size | {"mblock_k": k, "ublock_kt": 2} for size in BLOCKS for k in (1, 4, 8)]


def rows(weights: dict[str, float], sizes: list[dict[str, int]], **traits: Any) -> pd.DataFrame:
    """What a card would measure that takes just as long as the estimator says."""
    described = [Descriptor(**{"arch": "wormhole_b0"} | traits | size) for size in sizes]
    operations = {described[0].traits.op: {"base": weights}}
    estimator = Estimator(Parameters(described[0].arch, 1, operations, "invented"))
    frame = pd.DataFrame([d.as_json() | {"op": d.traits.op} for d in described])
    return frame.assign(runtime_cycles=[estimator.estimate(d).cycles for d in described])


@pytest.mark.parametrize(
    ("weights", "sizes", "traits"),
    [
        (ELTWISE, BLOCKS, {"op": "add", "output_format": "Float16_b", "fidelity": "HiFi4"}),
        (ELTWISE, BLOCKS, {"op": "add", "output_format": "Float32", "t": 3}),
        (ELTWISE, [s | {"t": t} for s in BLOCKS for t in (1, 5)], {"op": "exp"}),
        (MATMUL, STEPS, {"op": "matmul", "arch": "grayskull", "fidelity": "HiFi4"}),
        (ELTWISE | {"z_weight": 90.0}, [s | {"reduce_z": z} for s in BLOCKS for z in (1, 2, 9)],
         {"op": "reduce", "attribute": "z"}),
    ],
)  # fmt: skip
def test_what_the_estimator_knows_is_found_again(
    weights: dict[str, float], sizes: list[dict[str, int]], traits: dict[str, Any]
) -> None:
    (fit,) = fit_sets(rows(weights, sizes, **traits))
    assert fit.weights == pytest.approx(weights, abs=1e-6)
    assert fit.errors.mape < 1e-6
    assert fit.ranges["mblock_m"] == (2, 8)


def test_formats_of_different_width_share_a_set() -> None:
    of = {name: rows(ELTWISE, BLOCKS, op="add", output_format=name) for name in
          ("Float16_b", "Bfp8_b", "Int8")}  # fmt: skip
    fits = fit_sets(pd.concat(of.values()))
    assert [fit.set_name for fit in fits] == ["base", "df_int8"]
    assert fits[0].weights == pytest.approx(ELTWISE, abs=1e-6)


def test_products_of_block_floats_have_a_set_of_their_own() -> None:
    products = {
        name: rows(weights, STEPS, op="matmul", arch="grayskull", output_format=name)
        for name, weights in (("Bfp8_b", MATMUL), ("Float16_b", dict.fromkeys(MATMUL, 9.0)))
    }
    fits = {fit.set_name: fit for fit in fit_sets(pd.concat(products.values()))}
    assert fits["df_bfp"].weights == pytest.approx(MATMUL, abs=1e-6)
    assert fits["base"].weights == pytest.approx(dict.fromkeys(MATMUL, 9.0), abs=1e-6)


def test_only_quantisation_has_a_base_set_that_nothing_was_measured_for() -> None:
    add = fit_sets(rows(ELTWISE, BLOCKS, op="add", output_format="Int8"))
    quant = fit_sets(rows(ELTWISE, BLOCKS, op="quantization", output_format="Int8"))
    operations = operations_of([*add, *quant])
    assert list(operations["add"]) == ["df_int8"]
    assert list(operations["quantization"]) == ["base", "df_int8"]
    assert operations["quantization"]["base"] == operations["quantization"]["df_int8"]


def test_the_most_special_sets_come_last() -> None:
    modes = [rows(ELTWISE, BLOCKS, op="exp", vector_mode=mode, approx=approx)
             for approx in (True, False) for mode in ("c", "r", "rc")]  # fmt: skip
    fits = fit_sets(pd.concat(modes))
    names = [fit.set_name for fit in fits]
    assert names == ["base", "approx", "vector_r", "vector_c", "approx/vector_r", "approx/vector_c"]
    assert not shadowed_sets({"exp": dict.fromkeys(names, ELTWISE)})
    assert file_order("base") < file_order("vector_c") < file_order("approx/vector_r")


def test_recorded_sweeps_give_the_weights_that_they_always_gave(data_dir: Path) -> None:
    n_files = 0
    for path in sorted((data_dir / "opmodel").glob("*/*-performance.csv")):
        table = read_sweep(path)
        reference = [fit.weights for fit in fit_reference(table)]
        # The original fits neither sparse products nor the depth of a reduction.
        if "matmul_sparse" in table.ops or "reduce_z" in table.ops:
            continue
        fits = fit_sets(table.frame)
        assert [fit.weights for fit in fits] == reference, path.name
        n_files += 1
    assert n_files > 30
