"""Streaming and recomputing give the same files, byte for byte."""

import csv
import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from analysis.models import CSV_FILE, PARQUET_FILE, model_schema, read_models
from analysis.worker import AnalysisWorker
from farm.errors import DamagedStoreError, UsageError
from farm.store.directory import SweepDirectory
from farm.store.measured import measured
from tests.measured_sweep import COPY, commit, generate


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> SweepDirectory:
    made = generate(tmp_path_factory.mktemp("sweeps") / "copy")
    for number, chunk in enumerate(made.chunks()[:-1]):
        commit(made, chunk.chunk_id, failing="2x12/64", number=number)
    return made


def files_of(directory) -> tuple[bytes, bytes]:
    return tuple((directory.path / name).read_bytes() for name in (CSV_FILE, PARQUET_FILE))


def recomputed(directory, over) -> tuple[bytes, bytes]:
    path = str(directory.path)
    AnalysisWorker.publish(path, over, [AnalysisWorker(path, over).fits()])
    return files_of(directory)


def points(directory) -> dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]:
    found: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for chunk_id in sorted(directory.committed()):
        vectors, outcomes = directory.vectors(chunk_id), directory.outcomes(chunk_id)
        m = measured(directory.manifest, vectors, outcomes)
        for row in m.rows.to_pylist():
            key = m.groups[row["group_id"]]
            found.setdefault(key, []).append((row["size"], row["duration_ns"]))
    return {key: tuple(np.array(pairs).T) for key, pairs in found.items()}


@settings(max_examples=15)
@given(
    st.sampled_from(["vectors", "size-means"]),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_any_order_any_number_of_workers_duplicates_and_gaps(
    directory, over, n_workers, random, looks
):
    wanted = recomputed(directory, over)
    path = str(directory.path)
    workers = [AnalysisWorker(path, over, i, n_workers) for i in range(n_workers)]
    arriving = sorted(directory.committed()) * 2
    random.shuffle(arriving)
    del arriving[: len(arriving) // 3]
    for chunk_id in arriving:
        vectors, outcomes = directory.vectors(chunk_id), directory.outcomes(chunk_id)
        m = measured(directory.manifest, vectors, outcomes)
        for worker in workers:
            worker.push(chunk_id, m.rows, m.groups)
            if looks:
                worker.live()
    summary = AnalysisWorker.publish(path, over, [worker.fits() for worker in workers])
    assert files_of(directory) == wanted
    assert summary["n_groups"] == 16
    assert summary["n_fitted"] == 14
    assert summary["reasons"] == {"no vector was measured": 2}
    assert 0.9 < summary["median_r2"] <= 1


@pytest.mark.parametrize("over", ["vectors", "size-means"])
def test_lines_equal_scikit_learn(directory, over):
    recomputed(directory, over)
    models = read_models(directory)
    assert models.over == over
    data = points(directory)
    for model in models.fitted:
        x, y = data[model.key]
        if over == "size-means":
            sizes = np.unique(x)
            x, y = sizes, np.array([y[x == size].mean() for size in sizes])
        line = LinearRegression().fit(x[:, None], y)
        predicted = line.predict(x[:, None])
        assert model.fit.coefficient == pytest.approx(line.coef_[0], rel=1e-9)
        assert model.fit.intercept_ns == pytest.approx(line.intercept_, rel=1e-9)
        assert model.fit.r2 == pytest.approx(line.score(x[:, None], y), rel=1e-9)
        assert model.fit.rmsre == pytest.approx(
            np.sqrt(np.mean(((y - predicted) / y) ** 2)), rel=1e-9
        )
        assert model.fit.n == len(x)


def test_the_csv_is_ordered_like_numbers_and_reads_back_exactly(directory):
    text, _ = recomputed(directory, "vectors")
    assert b"\r" not in text
    assert b"nan" not in text.lower()
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert [(r["grid"], r["lanes"]) for r in rows[:9:2]] == [
        ("1x1", "8"), ("1x1", "64"), ("1x12", "8"), ("1x12", "64"), ("2x1", "8"),
    ]  # fmt: skip
    assert {r["layout"] for r in rows} == {"tiled", "<row&major>"}
    for row, model in zip(rows, read_models(directory).groups, strict=True):
        assert (row["size"], row["over"]) == ("elements", "vectors")
        if model.fit.is_fitted:
            assert float(row["coefficient"]) == model.fit.coefficient
            assert row["reason"] == ""
        else:
            assert (row["coefficient"], row["n"], row["r2"]) == ("", "0", "")
            assert row["reason"] == "no vector was measured"


def test_live_figures_follow_the_pushes(directory, tmp_path):
    worker = AnalysisWorker(str(generate(tmp_path / "copy").path))
    assert worker.live() == {"n_chunks": 0, "n_groups": 0, "n_fitted": 0, "median_r2": None}
    chunk_id = min(directory.committed())
    m = measured(directory.manifest, directory.vectors(chunk_id), directory.outcomes(chunk_id))
    worker.push(chunk_id, m.rows, m.groups)
    first = worker.live()
    worker.push(chunk_id, m.rows, m.groups)
    assert worker.live() == first
    assert first["n_chunks"] == 1
    assert first["n_fitted"] > 0


@pytest.mark.parametrize("over", ["vectors", "size-means"])
def test_live_figures_catch_up_with_earlier_runs(directory, over):
    live = AnalysisWorker(str(directory.path), over).live()
    path = str(directory.path)
    final = AnalysisWorker.publish(path, over, [AnalysisWorker(path, over).fits()])
    assert live["n_chunks"] == len(directory.committed())
    assert (live["n_groups"], live["n_fitted"]) == (final["n_groups"], final["n_fitted"])
    assert live["median_r2"] == pytest.approx(final["median_r2"], rel=1e-12)


def test_what_was_pushed_but_never_committed_does_not_count(directory):
    wanted = recomputed(directory, "vectors")
    worker = AnalysisWorker(str(directory.path))
    chunk_id = min(directory.committed())
    m = measured(directory.manifest, directory.vectors(chunk_id), directory.outcomes(chunk_id))
    missing = ({c.chunk_id for c in directory.chunks()} - directory.committed()).pop()
    worker.push(missing, m.rows, {**m.groups, 1: ("9x9", "8", "tiled")})
    AnalysisWorker.publish(str(directory.path), "vectors", [worker.fits()])
    assert files_of(directory) == wanted


def test_nothing_measured_yet_gives_empty_files(tmp_path):
    made = generate(tmp_path / "copy")
    path = str(made.path)
    summary = AnalysisWorker.publish(path, "vectors", [AnalysisWorker(path).fits()])
    assert summary["n_groups"] == 0
    assert summary["median_r2"] is None
    assert files_of(made)[0].count(b"\n") == 1
    assert AnalysisWorker.publish(path, "vectors", []) == summary
    assert read_models(made).groups == []


def test_models_that_are_missing_damaged_or_foreign_are_refused(directory, tmp_path):
    made = generate(tmp_path / "copy")
    with pytest.raises(UsageError, match="farm fit"):
        read_models(made)
    made.replace(PARQUET_FILE, b"not parquet")
    with pytest.raises(DamagedStoreError, match="farm fit"):
        read_models(made)
    with pytest.raises(UsageError, match="vectors or size-means"):
        AnalysisWorker("anywhere", over="median")


def test_results_of_an_axis_called_like_a_column_keep_apart(directory):
    axes = (*directory.manifest.axes, replace(directory.manifest.axes[0], name="n"))
    schema = model_schema(replace(directory.manifest, axes=axes, group_by=("n", "grid")))
    assert schema.names[:2] == ["n_", "grid"]
    assert schema.field("n").type == pa.int64()


def test_a_sweep_without_group_axes_is_one_group(tmp_path):
    made = generate(tmp_path / "copy", replace(COPY, group_by=()))
    commit(made, made.chunks()[0].chunk_id)
    path = str(made.path)
    summary = AnalysisWorker.publish(path, "vectors", [AnalysisWorker(path).fits()])
    assert (summary["n_groups"], summary["n_fitted"]) == (1, 1)
    assert read_models(made).groups[0].key == ()
