"""The size-means convention gives the fits of the reshard study's own script."""

import csv
import json
import math
import re

import numpy as np
import pytest

from analysis.linear import solve
from analysis.size_means import SizeMeans

DURATION = "DEVICE KERNEL DURATION [ns]"
KEY = (
    "input_shard_strategy",
    "input_shard_orientation",
    "output_shard_strategy",
    "output_shard_orientation",
)


def test_fits_equal_the_published_script(data_dir):
    root = data_dir / "ttmetal"
    wanted = {
        (row["in_grid"], row["out_grid"], row["group"]): row
        for row in csv.DictReader((root / "models.csv").read_text().splitlines())
    }
    n_compared = 0
    for path in sorted((root / "results_export_batch").glob("*/*.json")):
        in_grid, out_grid = path.parent.name, path.stem.rpartition("-")[2]
        suite = f"{in_grid}-{out_grid}-DataType.BFLOAT16"
        vectors = json.loads((root / "vectors_export" / in_grid / path.name).read_text())[suite]
        durations = {
            result["vector_id"]: result["device_perf"][DURATION]
            for result in json.loads(path.read_text())
            if result["status"] == "TestStatus.PASS" and result["suite_name"] == suite
        }
        names = sorted({"-".join(vectors[v][k] for k in KEY) for v in durations})
        ids, tiles, ns = [], [], []
        for vector_id, duration in durations.items():
            vector = vectors[vector_id]
            shape = [int(part) for part in re.findall(r"\d+", vector["shape"])]
            ids.append(names.index("-".join(vector[k] for k in KEY)))
            tiles.append(math.prod(shape) / 1024)
            ns.append(duration)
        half = np.arange(len(ids)) % 2 == 0
        columns = (np.array(ids), np.array(tiles), np.array(ns))
        parts = [SizeMeans.from_arrays(*(c[m] for c in columns)) for m in (half, ~half)]
        fits = solve(SizeMeans.merge(parts).line_moments()).fits()
        for name, fit in zip(names, fits, strict=True):
            row = wanted[in_grid, out_grid, name]
            assert fit.n == int(row["num_points"])
            for value, column in (
                (fit.coefficient, "coef"),
                (fit.intercept_ns, "intercept"),
                (fit.r2, "r^2"),
                (fit.rrmse, "RRMSE"),
                (fit.rmsre, "RMSRE"),
            ):
                assert value == pytest.approx(float(row[column]), rel=1e-9)
            n_compared += 1
    assert n_compared == len(wanted)
