"""Fits and predictions where suites have parameters of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from analysis.models import read_models
from analysis.prediction import predict
from analysis.worker import AnalysisWorker
from farm.catalog import load_sweep
from farm.errors import UsageError
from farm.generation import Plan, open_or_generate
from farm.outcome import OUTCOME_SCHEMA
from farm.store.directory import SweepDirectory
from tests.tiny_sweep import meta_of
from tests.tt_metal_checkout import write_module

MODULE = """
shapes = [[32 * i, 64] for i in range(1, 9)]
parameters = {
    "one": {"input_shape": shapes, "dtype": ["a,b", "c"], "alpha": [1, 2]},
    "two": {"input_shape": shapes, "dtype": ["c"]},
}
def run(**kwargs): return True, ""
"""


@pytest.fixture
def measured(tmp_path: Path) -> SweepDirectory:
    source = write_module(tmp_path, "op.sized", MODULE)
    directory = open_or_generate(tmp_path / "sweep", Plan(load_sweep(source), source))
    (chunk,) = directory.chunks()
    vectors = directory.vectors(chunk.chunk_id)
    n = chunk.n_rows
    factors = np.array([10 if alpha is None else 20 for alpha in vectors["alpha"].to_pylist()])
    durations = factors * vectors["tiles"].to_numpy() + 500.0
    moments = dict.fromkeys(("mean_ns", "min_ns", "median_ns"), durations)
    columns = {
        "vector_id": vectors["vector_id"],
        "status": pa.array(["OK"] * n).dictionary_encode(),
        **moments,
        "std_ns": np.zeros(n),
        "durations_ns": pa.array(durations[:, None].tolist(), pa.list_(pa.float64())),
        "reason": pa.nulls(n, pa.string()),
        "card": ["ttnn:0"] * n,
        "attempt": pa.array([1] * n, pa.int32()),
        "started_at": pa.array([1_800_000_000_000_000] * n, pa.timestamp("us", "UTC")),
    }
    table = pa.table({name: columns[name] for name in OUTCOME_SCHEMA.names})
    assert directory.commit(table.cast(OUTCOME_SCHEMA), meta_of(directory, chunk.chunk_id))
    path = str(directory.path)
    AnalysisWorker.publish(path, "vectors", [AnalysisWorker(path).fits()])
    return directory


def test_groups_of_a_suite_without_a_parameter_are_their_own(measured: SweepDirectory) -> None:
    fits = {group.key: group.fit.coefficient for group in read_models(measured).groups}
    assert fits == pytest.approx(
        {
            ("c", "2"): 20.0,
            ("c", "1"): 20.0,
            ("c", "-"): 10.0,
            ("a,b", "2"): 20.0,
            ("a,b", "1"): 20.0,
        }
    )


def test_predictions_derive_the_size_in_either_suite(measured: SweepDirectory) -> None:
    shape = "input_shape=[640,64]"
    lacking = predict(measured, "op.sized", [shape, "dtype=c", "alpha=-"])
    assert (lacking.size, lacking.duration_ns) == (40.0, pytest.approx(900.0))
    having = predict(measured, "op.sized", [shape, "dtype=a,b", "alpha=1"])
    assert (having.size, having.duration_ns) == (40.0, pytest.approx(1300.0))
    with pytest.raises(UsageError, match="say also alpha=-, 1, 2"):
        predict(measured, "op.sized", [shape, "dtype=c"])
