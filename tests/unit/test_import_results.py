"""Result files of tt-metal become committed results, and come back."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.worker import AnalysisWorker
from farm.errors import FarmError, FormatError
from farm.generation import Plan, open_or_generate
from farm.interchange import result_survey
from farm.interchange.input_files import input_files
from farm.interchange.result_export import export_results
from farm.interchange.result_file import STATUSES, judge
from farm.interchange.result_import import Imported, import_results
from farm.interchange.vector_export import export_vectors
from farm.interchange.vector_file import BRANCH, MAIN
from farm.interchange.vector_import import VectorImport
from farm.interchange.vector_keys import all_digests
from farm.interchange.vector_survey import survey
from farm.outcome import Status
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.store.measured import measured_columns
from sweeps.limits import limited
from sweeps.reshard import SWEEP as RESHARD
from tests.tiny_sweep import generated
from tests.tt_metal_files import KERNEL, branch_vectors, result, write_json, write_vectors

VECTORS = branch_vectors(12)


def with_vectors(out: Path, path: Path, **options: Any) -> SweepDirectory:
    return VectorImport(survey(input_files([path]), None), **options).write(out, None)


def imported(
    directory: SweepDirectory, *paths: Path, leave_open: bool = False
) -> tuple[Imported, list[str]]:
    found = result_survey.survey(input_files(paths), all_digests(directory), None)
    findings = [str(finding) for finding in found.findings()]
    return import_results(directory, found, leave_open, None), findings


def outcomes(directory: SweepDirectory) -> list[dict[str, Any]]:
    committed = sorted(directory.committed())
    return [row for chunk_id in committed for row in directory.outcomes(chunk_id).to_pylist()]


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    path = write_vectors(tmp_path / "vectors.json", VECTORS)
    return with_vectors(tmp_path / "out", path, chunk_rows=4)


def test_results_are_committed_and_come_back(directory: SweepDirectory, tmp_path: Path) -> None:
    records = [result(vector) for vector in VECTORS]
    failed = {"message": None, "device_perf": None}
    records[3] |= {"status": "TestStatus.FAIL_L1_OUT_OF_MEM", "exception": "no \u00e9 room"}
    records[3] = {name: v for name, v in records[3].items() if name not in failed}
    path = write_json(tmp_path / "in" / "x" / "results.json", list(reversed(records)), indent=4)
    done, findings = imported(directory, path.parent.parent)
    assert (done.n_committed, done.n_open, findings) == (12, 0, [])
    assert done.counts == {"OK": 11, "OUT_OF_MEMORY": 1}
    assert verify(directory.path).findings == ()
    for row, record in zip(outcomes(directory), records, strict=True):
        perf = record.get("device_perf", {})
        assert row["mean_ns"] == perf.get(KERNEL)
        assert row["std_ns"] == perf.get(f"{KERNEL}_std")
        assert row["reason"] == record.get("exception")
        assert (row["card"], row["durations_ns"]) == ("imported", None)
    assert [f.is_same for f in export_results(directory, BRANCH, tmp_path / "again")] == [True]
    assert (tmp_path / "again" / "x" / path.name).read_bytes() == path.read_bytes()
    kept = pq.read_table(next((directory.path / "foreign" / "results").iterdir()))
    name = "/device_perf/DEVICE BRISC KERNEL DURATION [ns]"
    assert kept[name].type == pa.float64()
    assert kept["index"].to_pylist() == list(range(11, -1, -1))


def test_a_median_that_is_not_known_is_the_mean(directory: SweepDirectory, tmp_path: Path) -> None:
    imported(directory, write_json(tmp_path / "r.json", [result(v) for v in VECTORS]))
    chunk = directory.chunks()[0].chunk_id
    table = measured_columns(directory.vectors(chunk), directory.outcomes(chunk), ["tiles"])
    assert table["duration_ns"].to_pylist() == directory.outcomes(chunk)["mean_ns"].to_pylist()


def test_what_is_wrong_with_results_is_found_and_enters_no_fit(
    directory: SweepDirectory, tmp_path: Path
) -> None:
    records = [result(vector) for vector in VECTORS[:10]]
    records[1]["device_perf"]["runs"] = 12
    records[2]["device_perf"] = [records[2]["device_perf"]]
    records[4]["device_perf"][KERNEL] = float("nan")
    records[5]["device_perf"] = None
    records[6]["device_perf"] = [{}, {}]
    records.append(result(VECTORS[0], device_perf={KERNEL: 77.0, f"{KERNEL}_std": 1.0, "runs": 10}))
    records.append(result({**VECTORS[0], "input_hash": "abcd"}))
    done, findings = imported(directory, write_json(tmp_path / "r.json", records))
    assert [re.sub(r" \(such as .*", "", text) for text in findings] == [
        "1 results of vectors that are not in the sweep: kept as records only",
        "1 results of vectors that have a later one: the last counts",
        "1 results over another number of launches than the 10 of most: launches of other vectors "
        "are mixed in, so they are NO_RESULT",
        "3 results that passed without a measurement, or with one that cannot be: NO_RESULT",
        "1 results in a list of their own, as written with a chunk size of 1: taken out",
        "2 of 12 vectors have no result",
    ]
    assert "such as r.json, record 11" in findings[0]
    assert done.counts == {"OK": 6, "NO_RESULT": 6}
    rows = outcomes(directory)
    assert rows[0]["mean_ns"] == 77.0
    reasons = {i: row["reason"] for i, row in enumerate(rows) if row["status"] == "NO_RESULT"}
    assert reasons[1].startswith("measured over 12 launches where most results have 10")
    assert "nan" in reasons[4]
    assert reasons[5] == "passed, without a kernel duration of the card"
    assert "2 measurements" in reasons[6]
    assert reasons[10] == reasons[11] == "the imported files have no result of it"
    assert verify(directory.path).findings == ()
    worker = AnalysisWorker(str(directory.path), "vectors")
    assert sum(worker.fits()["n"].to_pylist()) == 6
    assert [f.is_same for f in export_results(directory, BRANCH, tmp_path / "again")] == [True]


def test_chunks_without_results_stay_open(directory: SweepDirectory, tmp_path: Path) -> None:
    some = write_json(tmp_path / "some.json", [result(v) for v in VECTORS[:6]])
    done, _ = imported(directory, some, leave_open=True)
    assert (done.n_committed, done.n_open, done.counts) == (4, 8, {"OK": 4})
    done, _ = imported(directory, some)
    assert (done.n_committed, done.n_open, done.n_earlier) == (4, 4, 4)
    assert done.counts == {"OK": 2, "NO_RESULT": 2}
    rest = write_json(tmp_path / "rest.json", [result(v) for v in VECTORS[6:]])
    done, _ = imported(directory, rest)
    assert (done.n_committed, done.n_open, done.n_earlier) == (4, 0, 8)
    again = list(export_results(directory, BRANCH, tmp_path / "again"))
    assert {file.path.name: file.is_same for file in again} == {
        "some.json": True,
        "rest.json": True,
    }


def test_results_of_one_vector_file_leave_the_vectors_of_another_open(tmp_path: Path) -> None:
    # Six and six vectors, four to a chunk: no chunk may have vectors of both files.
    first = write_vectors(tmp_path / "v" / "a.json", VECTORS[:6])
    second = write_vectors(tmp_path / "v" / "b.json", VECTORS[6:])
    found = survey(input_files([first, second]), None)
    directory = VectorImport(found, chunk_rows=4).write(tmp_path / "out", None)
    assert [chunk.n_rows for chunk in directory.chunks()] == [4, 2, 4, 2]
    assert [chunk.first_index for chunk in directory.chunks()] == [0, 4, 6, 10]
    some = write_json(tmp_path / "some.json", [result(v) for v in VECTORS[:6]])
    done, _ = imported(directory, some)
    assert (done.n_committed, done.n_open, done.counts) == (6, 6, {"OK": 6})
    rest = write_json(tmp_path / "rest.json", [result(v) for v in VECTORS[6:]])
    done, _ = imported(directory, rest)
    assert (done.n_committed, done.n_open, done.n_earlier) == (6, 0, 6)
    assert {row["status"] for row in outcomes(directory)} == {"OK"}
    assert verify(directory.path).findings == ()


def test_results_find_the_vectors_that_the_farm_generated(tmp_path: Path) -> None:
    limits = ["input_grid=1x1", "output_grid=1x2", "shape=1x1x32x32..1x1x1024x64"]
    sweep = limited(RESHARD, limits)
    directory = open_or_generate(tmp_path / "out", Plan(sweep, "reshard", tuple(limits)))
    known = [v for v in branch_vectors(24) if "BLOCK" in v["input_shard_strategy"]]
    done, findings = imported(
        directory, write_json(tmp_path / "r.json", [result(v) for v in known])
    )
    assert done.counts["OK"] == len(known) == 12
    assert all("not in the sweep" not in text for text in findings)


@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("TestStatus.PASS", "OK"),
        ("pass", "OK"),
        ("TestStatus.FAIL_ASSERT_EXCEPTION", "OP_ERROR"),
        ("fail_crash_hang", "HANG"),
        ("TestStatus.FAIL_WATCHER", "CRASH"),
        ("fail_unsupported_device_perf", "UNSUPPORTED"),
        ("fail_l1_out_of_mem", "OUT_OF_MEMORY"),
        ("TestStatus.NOT_RUN", "NO_RESULT"),
        ("xfail", "OP_ERROR"),
    ],
)
def test_statuses(written: str, status: str) -> None:
    record = result(VECTORS[0], status=written, exception="because")
    judged = judge(record, "here")
    assert judged.status == status
    assert (judged.reason is None) == (status == "OK")
    if written == "xfail":
        assert judged.reason == "failed as expected (xfail): because"


def test_a_vector_that_was_not_run_since_it_is_invalid() -> None:
    record = result(VECTORS[0], status="skipped", exception="INVALID VECTOR: odd")
    assert judge(record, "here").status is Status.INVALID
    assert set(STATUSES.values()) <= set(Status)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"s": {}}, "no list: that may be a vector file"),
        ([1], "record 0 is no result: it has no status"),
        ([{"status": "pass"}], "neither input_hash nor vector_id names its vector"),
        ([result(VECTORS[0], status="odd")], "unknown status 'odd'"),
        (
            [result({**VECTORS[0], "input_hash": "ab12"})],
            "none of the 1 results belongs to a vector",
        ),
        ([result(VECTORS[0]), {**result(VECTORS[1]), "metrics": []}], "import the generations"),
        ([result(VECTORS[0], message="\ud800")], "surrogates not allowed"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_is_written(
    directory: SweepDirectory, tmp_path: Path, content: Any, message: str
) -> None:
    path = write_json(tmp_path / "results.json", content)
    with pytest.raises(FormatError, match=re.escape(message)) as error:
        imported(directory, path)
    assert str(path) in str(error.value)
    assert not (directory.path / "foreign" / "results").exists()
    assert not directory.committed()


def test_vectors_without_ids_in_tt_metal_take_no_results(tmp_path: Path) -> None:
    directory = generated(tmp_path / "out")
    with pytest.raises(FarmError, match="have no ids in tt-metal"):
        imported(directory, write_json(tmp_path / "r.json", [result(VECTORS[0])]))


def test_main_line_results_of_the_same_vectors(directory: SweepDirectory, tmp_path: Path) -> None:
    imported(directory, write_json(tmp_path / "r.json", [result(v) for v in VECTORS]))
    (file,) = export_results(directory, MAIN, tmp_path / "main")
    assert re.fullmatch(r"data_movement_[0-9a-f]{12}_\d{8}_\d{6}\.json", file.path.name)
    records = json.loads(file.path.read_text())
    assert records[0]["status"] == "pass"
    assert records[0]["metrics"] == [
        {
            "metric_name": f"device_{KERNEL}",
            "metric_value": result(VECTORS[0])["device_perf"][KERNEL],
        }
    ]
    shape = next(p for p in records[0]["op_params_set"] if p["param_name"] == "shape")
    assert shape["param_value_json"] == [1, 1, 64, 32]
    path = tmp_path / "vectors.json"
    other = with_vectors(tmp_path / "other", path, chunk_rows=4)
    done, findings = imported(other, file.path)
    assert (done.counts, findings) == ({"OK": 12}, [])
    means = [[row["mean_ns"] for row in outcomes(d)] for d in (directory, other)]
    assert means[0] == means[1]


RECORDED_FAULTS = {
    "results-c1_raise_k3": ({"OK": 199, "OP_ERROR": 1}, ["199 results in a list of their own"]),
    "results-hang_reset_fails": ({"OK": 100, "NO_RESULT": 100}, ["100 of 200 vectors have no"]),
    "results-raise_k0": ({"OK": 195, "OUT_OF_MEMORY": 5}, []),
    "results-raise_k4_at2": (
        {"OK": 197, "NO_RESULT": 2, "OP_ERROR": 1},
        ["2 results over another number of launches than the 10 of most"],
    ),
}


@pytest.mark.parametrize("name", RECORDED_FAULTS)
def test_recorded_faults_are_reported(data_dir: Path, tmp_path: Path, name: str) -> None:
    folder = data_dir / "ttmetal" / "faults"
    directory = with_vectors(tmp_path / "out", folder / "vectors-200.json")
    done, findings = imported(directory, folder / f"{name}.json")
    counts, expected = RECORDED_FAULTS[name]
    assert done.counts == counts
    assert len(findings) == len(expected)
    assert all(text.startswith(begin) for text, begin in zip(findings, expected, strict=True))
    assert [f.is_same for f in export_results(directory, BRANCH, tmp_path / "again")] == [True]


def test_recorded_main_line_results(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "ttmetal" / "faults"
    directory = with_vectors(tmp_path / "out", folder / "vectors-20.json")
    done, findings = imported(directory, folder / "main-optest-20.json")
    assert (done.counts, findings) == ({"OK": 20}, [])
    assert outcomes(directory)[0]["mean_ns"] == 2424.0
    assert outcomes(directory)[0]["started_at"].isoformat() == "2026-11-21T02:18:26.481580+00:00"
    assert [f.is_same for f in export_results(directory, MAIN, tmp_path / "again")] == [True]


@pytest.fixture(scope="module")
def study(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepDirectory:
    folder = data_dir / "ttmetal"
    out = tmp_path_factory.mktemp("study") / "out"
    directory = with_vectors(out, folder / "vectors_export")
    done, findings = imported(directory, folder / "results_export_batch")
    assert (done.counts, findings) == ({"OK": 1120, "OUT_OF_MEMORY": 153}, [])
    return directory


def _published(data_dir: Path) -> dict[tuple[str, ...], dict[str, str]]:
    text = (data_dir / "ttmetal" / "models.csv").read_text()
    return {(r["in_grid"], r["out_grid"], r["group"]): r for r in csv.DictReader(text.splitlines())}


def _name(key: dict[str, str], side: str) -> str:
    return f"ShardStrategy.{key[f'{side}_strategy']}-ShardOrientation.{key[f'{side}_orientation']}"


def test_fits_of_the_recorded_study_are_its_own(study: SweepDirectory, data_dir: Path) -> None:
    wanted = _published(data_dir)
    fits = AnalysisWorker(str(study.path), "size-means").fits().to_pylist()
    assert len(fits) == len(wanted) == 14
    columns = {
        "coefficient_ns": "coef",
        "intercept_ns": "intercept",
        "r2": "r^2",
        "rrmse": "RRMSE",
        "rmsre": "RMSRE",
    }
    for fit in fits:
        group = f"{_name(fit, 'input')}-{_name(fit, 'output')}"
        row = wanted[fit["input_grid"], fit["output_grid"], group]
        assert fit["n"] == int(row["num_points"])
        for ours, theirs in columns.items():
            value = next(fit[name] for name in fit if name.startswith(ours.split("_ns")[0]))
            assert value == pytest.approx(float(row[theirs]), rel=1e-9)


def test_their_fit_on_our_files_is_the_published_one(
    study: SweepDirectory, data_dir: Path, tmp_path: Path
) -> None:
    assert all(file.is_same for file in export_vectors(study, tmp_path / "vectors"))
    assert all(file.is_same for file in export_results(study, BRANCH, tmp_path / "results"))
    wanted = _published(data_dir)
    n_fitted = 0
    for path in sorted((tmp_path / "results").glob("*/*.json")):
        grids = path.parent.name, path.stem.rpartition("-")[2]
        suite = f"{grids[0]}-{grids[1]}-DataType.BFLOAT16"
        vectors = json.loads((tmp_path / "vectors" / path.parent.name / path.name).read_text())
        for group, (coefficient, intercept, n) in _fits(
            vectors[suite], json.loads(path.read_text())
        ):
            row = wanted[(*grids, group)]
            assert n == int(row["num_points"])
            assert coefficient == pytest.approx(float(row["coef"]), rel=1e-9)
            assert intercept == pytest.approx(float(row["intercept"]), rel=1e-9)
            n_fitted += 1
    assert n_fitted == len(wanted)


def _fits(
    vectors: dict[str, Any], results: list[dict[str, Any]]
) -> list[tuple[str, tuple[float, float, int]]]:
    """Least squares in plain sums over the mean of each size."""
    points: dict[str, dict[float, list[float]]] = {}
    for record in results:
        if record["status"] != "TestStatus.PASS":
            continue
        vector = vectors[record["vector_id"]]
        sides = ("input", "output")
        group = "-".join(
            vector[f"{s}_shard_{k}"] for s in sides for k in ("strategy", "orientation")
        )
        tiles = math.prod(json.loads(vector["shape"])) / 1024
        points.setdefault(group, {}).setdefault(tiles, []).append(record["device_perf"][KERNEL])
    found = []
    for group, by_size in points.items():
        xs = list(by_size)
        ys = [math.fsum(values) / len(values) for values in by_size.values()]
        x, y, n = math.fsum(xs) / len(xs), math.fsum(ys) / len(ys), len(xs)
        slope = math.fsum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / math.fsum(
            (a - x) ** 2 for a in xs
        )
        found.append((group, (slope, y - slope * x, n)))
    return found
