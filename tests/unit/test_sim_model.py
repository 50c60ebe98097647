"""The truth of the simulated card: sensible, exact, and like recorded data of real cards."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from farm.devices import sim_model
from farm.devices.sim_model import (
    LAUNCH_NS,
    check,
    traffic,
    true_duration_ns,
    true_durations_ns,
    true_durations_of_table_ns,
)
from farm.errors import InvalidVectorError, OutOfMemoryError, UnsupportedVectorError
from sweeps import matmul
from sweeps.generate import select, vectors
from sweeps.limits import limited
from sweeps.reshard import SWEEP
from sweeps.vector import Vector, vector_id


def reshard(**changes: Any) -> Vector:
    params = {
        "input_strategy": "BLOCK",
        "output_strategy": "HEIGHT",
        "input_orientation": "ROW_MAJOR",
        "output_orientation": "ROW_MAJOR",
        "dtype": "BFLOAT16",
        "input_grid": (1, 1),
        "output_grid": (1, 2),
        "shape": (1, 1, 128, 128),
    } | changes
    return Vector(0, vector_id("reshard", params), "reshard", params, {})


def duration_ns(**changes: Any) -> float:
    vector = reshard(**changes)
    return true_duration_ns(vector.op, vector.params, vector.features)


def suite_table(input_grid: str, output_grid: str) -> Any:
    sweep = limited(SWEEP, [f"input_grid={input_grid}", f"output_grid={output_grid}"])
    (suite,) = sweep.suites()
    selection = select(sweep, suite)
    return vectors(sweep, selection, 0, len(selection.kept))


def test_one_vector_and_many_agree_exactly():
    table = suite_table("2x3", "4x2")
    of_table = true_durations_of_table_ns("reshard", table)
    rows = table.to_pylist()
    made = [Vector(i, row["vector_id"], "reshard", row, {}) for i, row in enumerate(rows)]
    assert true_durations_ns(made).tolist() == of_table.tolist()
    one_by_one = [true_duration_ns("reshard", row, row) for row in rows]
    assert one_by_one == of_table.tolist()


def test_more_tiles_take_longer():
    heights = [32 * 4 * n for n in range(1, 20)]
    durations = [duration_ns(shape=(1, 1, h, 128)) for h in heights]
    assert all(np.diff(durations) > 0)
    assert durations[0] > LAUNCH_NS


def test_more_cores_on_both_sides_are_faster():
    shape = (1, 1, 32 * 64, 32 * 64)
    few = duration_ns(input_grid=(2, 2), output_grid=(1, 4), output_strategy="BLOCK", shape=shape)
    many = duration_ns(input_grid=(8, 8), output_grid=(8, 4), output_strategy="BLOCK", shape=shape)
    assert many < few / 2


def test_many_readers_of_one_source_are_no_faster_than_the_source():
    shape = (1, 1, 32 * 16, 32 * 16)
    two = duration_ns(output_grid=(1, 2), shape=shape)
    sixteen = duration_ns(output_grid=(4, 4), shape=shape)
    assert sixteen > two


def test_short_contiguous_runs_cost_more():
    narrow = duration_ns(output_strategy="WIDTH", shape=(1, 1, 32 * 64, 32 * 2))
    broad = duration_ns(output_strategy="WIDTH", shape=(1, 1, 32 * 2, 32 * 64))
    assert narrow > broad


def test_every_grid_and_strategy_has_traffic():
    for strategies in (("BLOCK", "BLOCK"), ("WIDTH", "HEIGHT"), ("HEIGHT", "WIDTH")):
        for grid in ((1, 1), (3, 5), (8, 8), (7, 1)):
            found = traffic(grid, (5, 3), *strategies)
            assert all(np.isfinite(found))
            assert found.ns_per_tile > 0
            assert 0 < found.transfer_share <= 1


def test_other_operations_follow_the_roofline():
    def product(n: int) -> float:
        params = {"dtype": "float32", "M": n, "K": n, "N": n}
        return true_duration_ns("matmul", params, matmul.SWEEP.derive(params))

    small, large, larger = product(1), product(4096), product(8192)
    assert 0 < small < large
    assert larger / large == pytest.approx(8, rel=0.02)


def test_an_operation_without_features_is_unsupported():
    vector = Vector(0, bytes(16), "mystery", {"n": 1}, {"weight": 3})
    with pytest.raises(UnsupportedVectorError, match="mystery"):
        check(vector)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"input_strategy": "DIAGONAL"}, InvalidVectorError, "DIAGONAL"),
        ({"input_grid": (9, 1)}, InvalidVectorError, "9x1"),
        ({"shape": (1, 1, 33, 32)}, InvalidVectorError, "tiles"),
        ({"output_grid": (1, 3)}, InvalidVectorError, "whole tiles"),
        ({"dtype": "FLOAT32"}, UnsupportedVectorError, "FLOAT32"),
    ],
)
def test_what_the_card_refuses(changes, error, words):
    with pytest.raises(error, match=words):
        check(reshard(**changes))


def test_a_missing_parameter_is_named():
    vector = reshard()
    params = {k: v for k, v in vector.params.items() if k != "shape"}
    with pytest.raises(InvalidVectorError, match="shape"):
        check(Vector(0, bytes(16), "reshard", params, {}))


def test_l1_holds_680_tiles_per_core_and_not_one_more():
    # A core with the whole input and half of the output.
    check(reshard(shape=(1, 1, 32 * 2, 32 * 226)))  # 452 + 226 = 678
    check(reshard(output_grid=(8, 8), shape=(1, 1, 32 * 64, 32 * 10)))  # 640 + 10
    with pytest.raises(OutOfMemoryError, match=r"454 tiles .* 227 tiles .* 680 bfloat16 tiles"):
        check(reshard(shape=(1, 1, 32 * 2, 32 * 227)))  # 454 + 227 = 681


def _text(name: str, grid: str) -> re.Match[str]:
    found = re.search(rf"{name}=(\d+)", grid)
    assert found
    return found


def _recorded(folder: Path) -> dict[tuple[Any, ...], bool]:
    """Recorded vectors: key -> whether it ran out of memory."""
    found: dict[tuple[Any, ...], bool] = {}
    for path in sorted(folder.glob("vectors_export/1x1/*.json")):
        results = json.loads((folder / "results_export_batch" / "1x1" / path.name).read_text())
        status = {result["vector_id"]: result["status"] for result in results}
        for suite in json.loads(path.read_text()).values():
            for identity, v in suite.items():
                grid = v["output_core_grid"]
                key = (
                    (int(_text("x", grid)[1]), int(_text("y", grid)[1])),
                    v["input_shard_strategy"].removeprefix("ShardStrategy."),
                    v["output_shard_strategy"].removeprefix("ShardStrategy."),
                    tuple(json.loads(v["shape"])),
                )
                found[key] = status[identity] != "TestStatus.PASS"
    return found


def test_the_same_vectors_run_out_of_memory_as_in_recorded_runs(data_dir: Path):
    recorded = _recorded(data_dir / "ttmetal")
    ours: dict[tuple[Any, ...], bool] = {}
    for output_grid in ("1x2", "8x8"):
        for row in suite_table("1x1", output_grid).to_pylist():
            key = (
                tuple(row["output_grid"]),
                row["input_strategy"],
                row["output_strategy"],
                tuple(row["shape"]),
            )
            try:
                check(Vector(0, row["vector_id"], "reshard", row, {}))
            except OutOfMemoryError:
                ours[key] = True
            else:
                ours[key] = False
    assert len(ours) == 1157 + 116
    assert sum(ours.values()) == 153
    assert ours == recorded


def _lines(input_grid: str, output_grid: str) -> dict[str, tuple[float, float, float]]:
    """Per strategies: slope, intercept and R² over the mean of each distinct size."""
    table = suite_table(input_grid, output_grid)
    y = true_durations_of_table_ns("reshard", table)
    x = table["tiles"].to_numpy()
    n_cores = [np.prod([int(n) for n in grid.split("x")]) for grid in (input_grid, output_grid)]
    fits = x / n_cores[0] + x / n_cores[1] <= 680
    strategies = np.array(
        [f"{row['input_strategy']}-{row['output_strategy']}" for row in table.to_pylist()]
    )
    lines = {}
    for name in np.unique(strategies):
        chosen = fits & (strategies == name)
        sizes, place = np.unique(x[chosen], return_inverse=True)
        if len(sizes) < 4:
            continue
        means = np.bincount(place, y[chosen]) / np.bincount(place)
        slope, intercept = np.polyfit(sizes, means, 1)
        residual = means - slope * sizes - intercept
        r_squared = 1 - np.sum(residual**2) / np.sum((means - means.mean()) ** 2)
        lines[str(name)] = (slope, intercept, r_squared)
    return lines


def test_fits_resemble_those_of_real_cards(data_dir: Path):
    pairs = "1x1-1x2 1x1-8x8 2x2-4x4 1x8-2x2 4x4-8x1 4x4-3x5 3x3-6x6 2x4-1x1 4x8-8x8 4x2-5x7"
    ours = {tuple(pair.split("-")): _lines(*pair.split("-")) for pair in pairs.split()}
    ratios, r_squared = [], []
    with (data_dir / "ttmetal" / "published_models_x1to4.csv").open() as file:
        for row in csv.DictReader(file):
            name = re.sub(r"ShardStrategy\.|-ShardOrientation\.ROW_MAJOR", "", row["group"])
            line = ours.get((row["in_grid"], row["out_grid"]), {}).get(name)
            if line is not None:
                ratios.append(line[0] / float(row["coef"]))
                r_squared.append(line[2])
    assert len(ratios) > 60
    within_factor_2 = np.mean((np.array(ratios) > 0.5) & (np.array(ratios) < 2))
    assert within_factor_2 > 0.85
    assert 0.98 < np.median(r_squared) < 0.9999
    assert min(r_squared) < 0.99


class _Doubling:
    def check(self, params: Mapping[str, Any]) -> None:
        if params["n"] < 0:
            raise InvalidVectorError("n is negative")

    def durations_ns(self, params: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
        return np.array([2.0 * own["n"] for own in params])


def test_a_plug_in_models_the_operation_that_it_is_named_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sim_model, "_plugged_in", {"doubled": _Doubling()}.get)
    made = [Vector(i, bytes([i]) * 16, op, {"n": i}, {"flops": 0}) for i, op in
            enumerate(["doubled", "other", "doubled"])]  # fmt: skip
    assert true_durations_ns(made).tolist() == [0.0, sim_model.ROOF_LAUNCH_NS, 4.0]
    with pytest.raises(InvalidVectorError, match="n is negative"):
        check(Vector(0, b"", "doubled", {"n": -1}, {}))
