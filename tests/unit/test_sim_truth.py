"""Published fits as the truth of a simulated card, and what a study over them gives back."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.linear import LinearFit, solve
from analysis.size_means import SizeMeans
from farm.devices.device import CardSlot
from farm.devices.sim import KIND, probe_vectors
from farm.devices.sim_model import true_durations_ns
from farm.devices.sim_truth import LEAST_NS, PUBLISHED_L1_TILES, truth_of
from farm.errors import UnsupportedVectorError, UsageError
from sweeps.generate import select, vectors
from sweeps.limits import limited
from sweeps.reshard import SWEEP as RESHARD
from sweeps.space import Sweep
from sweeps.vector import Vector, vector_id

HEADER = "in_grid,out_grid,group,coef,intercept\n"
GROUP = "-".join(
    [
        "ShardStrategy.BLOCK",
        "ShardOrientation.ROW_MAJOR",
        "ShardStrategy.WIDTH",
        "ShardOrientation.ROW_MAJOR",
    ]
)


def reshard(index: int, tiles: int, output_strategy: str = "WIDTH") -> Vector:
    params = {axis.name: axis.values[0] for axis in RESHARD.axes}
    params |= {"output_strategy": output_strategy, "output_grid": (1, 2)}
    params["shape"] = (1, 1, 64, 16 * tiles)
    identity = vector_id(RESHARD.op, params)
    return Vector(index, identity, RESHARD.op, params, RESHARD.derive(params))


@pytest.fixture
def fits(tmp_path: Path) -> Path:
    path = tmp_path / "fits.csv"
    path.write_text(f"{HEADER}1x1,1x2,{GROUP},36.5,-100.25\n")
    return path


def test_a_reshard_takes_what_its_line_says_and_never_less_than_nothing(fits: Path) -> None:
    truth = truth_of(str(fits))
    found = truth.durations_ns([reshard(0, 4), reshard(1, 2), reshard(2, 100)])
    assert found.tolist() == [36.5 * 4 - 100.25, LEAST_NS, 36.5 * 100 - 100.25]


def test_what_was_not_published_is_unsupported_and_probes_follow_the_model(fits: Path) -> None:
    truth = truth_of(str(fits))
    with pytest.raises(UnsupportedVectorError, match=r"fits\.csv has no fit"):
        truth.check(reshard(0, 4, "BLOCK"))
    probes = probe_vectors()
    for probe in probes:
        truth.check(probe)
    assert truth.durations_ns(probes).tolist() == true_durations_ns(probes).tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("in_grid,coef\n", "line 1: no column out_grid, group, intercept"),
        (f"{HEADER}1x1,1x2,{GROUP},nan,3\n", "line 2: expected two grids"),
        (f"{HEADER}1x1,1,{GROUP},1,3\n", "line 2: expected two grids"),
        (f"{HEADER}1x1,1x2,A-B,1,3\n", "line 2: expected two grids"),
        (f"{HEADER}1x1\n", "line 2: expected two grids"),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "fits.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        KIND.discover(1, {"truth": str(path)})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        KIND.discover(1, {"truth": str(tmp_path / "none.csv")})


def test_the_card_measures_the_line(fits: Path) -> None:
    options = {"truth": str(fits), "noise": "0", "profiler": "direct"}
    device = KIND.device(CardSlot("sim", 0, options), RESHARD)
    device.open()
    device.execute(reshard(0, 12), 2, 7)
    assert device.read_profile()["duration_ns"].to_pylist() == [338.0, 338.0]  # whole cycles


def study(
    in_grid: str, out_grid: str, path: Path, whole: Sweep = RESHARD
) -> Iterator[tuple[str, LinearFit, np.ndarray]]:
    """Fit what a noiseless study of one pair of grids measures; with the sizes of each group."""
    sweep = limited(whole, [f"input_grid={in_grid}", f"output_grid={out_grid}"])
    (suite,) = sweep.suites()
    selection = select(sweep, suite)
    table = vectors(sweep, selection, 0, len(selection.kept))
    n_in, n_out = (math.prod(map(int, grid.split("x"))) for grid in (in_grid, out_grid))
    # What exceeds the L1 of a core has no duration, there as here.
    tiles = table["tiles"].to_numpy()
    table = table.filter(pa.array(tiles * (n_in + n_out) <= PUBLISHED_L1_TILES * n_in * n_out))
    rows = table.to_pylist()
    made = [
        Vector(i, b"", sweep.op, {k: _plain(v) for k, v in row.items()}, {"tiles": row["tiles"]})
        for i, row in enumerate(rows)
    ]
    names = [
        f"ShardStrategy.{row['input_strategy']}-ShardOrientation.{row['input_orientation']}-"
        f"ShardStrategy.{row['output_strategy']}-ShardOrientation.{row['output_orientation']}"
        for row in rows
    ]
    known = sorted(set(names))
    ids = np.array([known.index(name) for name in names])
    tiles = table["tiles"].to_numpy().astype(float)
    means = SizeMeans.from_arrays(ids, tiles, truth_of(str(path)).durations_ns(made))
    for i, (name, fit) in enumerate(zip(known, solve(means.line_moments()).fits(), strict=True)):
        yield name, fit, np.unique(tiles[ids == i])


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def published_fits(path: Path, in_grid: str, out_grid: str) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {
            row["group"]: row
            for row in csv.DictReader(file)
            if (row["in_grid"], row["out_grid"]) == (in_grid, out_grid)
        }


PAIRS = ["1x1-8x8", "2x2-1x8", "2x4-4x4", "2x4-7x5", "3x7-8x3", "4x1-6x5", "4x8-7x8"]
"""Pairs of grids all of whose vectors that fit a core were measured for the published fits."""
PAIRS_WITH_LOSSES = ["3x3-1x1", "4x4-3x7"]


@pytest.mark.parametrize("pair", PAIRS + PAIRS_WITH_LOSSES)
def test_a_study_over_published_fits_gives_them_back(data_dir: Path, pair: str) -> None:
    path = data_dir / "ttmetal" / "published_models_x1to4.csv"
    in_grid, out_grid = pair.split("-")
    published = published_fits(path, in_grid, out_grid)
    found = {name: (fit, sizes) for name, fit, sizes in study(in_grid, out_grid, path)}
    assert found.keys() == published.keys()
    for name, row in published.items():
        fit, sizes = found[name]
        n_lost = fit.n - int(row["num_points"])
        assert n_lost >= 0 if pair in PAIRS_WITH_LOSSES else n_lost == 0
        coefficient, intercept_ns = float(row["coef"]), float(row["intercept"])
        if coefficient * sizes[0] + intercept_ns < LEAST_NS:
            # A line below zero at its smallest size is no duration, and cannot come back.
            continue
        assert fit.coefficient == pytest.approx(coefficient, rel=1e-9, abs=1e-9)
        assert fit.intercept_ns == pytest.approx(intercept_ns, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("pair", ["1x1-1x8", "1x1-8x1", "1x2-2x2", "1x2-3x4"])
def test_inputs_of_one_or_two_cores_were_thinned_to_1800(data_dir: Path, pair: str) -> None:
    path = data_dir / "ttmetal" / "published_models_x1to4.csv"
    in_grid, out_grid = pair.split("-")
    published = published_fits(path, in_grid, out_grid)
    wanted = {name: int(row["num_points"]) for name, row in published.items()}
    for limit, same in ((1600, False), (1800, True)):
        sweep = replace(RESHARD, max_vectors_per_suite=limit)
        found = {name: fit.n for name, fit, _ in study(in_grid, out_grid, path, sweep)}
        assert (found == wanted) is same
