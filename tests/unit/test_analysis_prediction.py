"""Questions to the models, good and bad."""

import sys
from dataclasses import replace

import pytest

from analysis.models import PARQUET_FILE, GroupModel, encode_parquet, model_table, read_models
from analysis.prediction import predict
from analysis.worker import AnalysisWorker
from farm.errors import UsageError
from tests import measured_sweep
from tests.measured_sweep import COPY, commit, generate

KEY = ("grid=1x1", "lanes=8", "layout=tiled")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    sweep = replace(COPY, axes=COPY.axes)
    # The sweep is found again by the name of a module that defines SWEEP.
    module = sys.modules["tests.measured_sweep"]
    assert module is measured_sweep
    made = generate(tmp_path_factory.mktemp("asked") / "copy", sweep, "tests.measured_sweep")
    for chunk in made.chunks():
        commit(made, chunk.chunk_id, failing="2x12/64")
    path = str(made.path)
    AnalysisWorker.publish(path, "vectors", [AnalysisWorker(path).fits()])
    return made


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    monkeypatch.setattr(measured_sweep, "SWEEP", COPY, raising=False)


def test_the_answer_is_on_the_groups_line(directory):
    answer = predict(directory, "copy", [*KEY, "elements=24"])
    fit = next(g.fit for g in read_models(directory).groups if g.key == ("1x1", "8", "tiled"))
    assert answer.fit == fit
    assert answer.duration_ns == fit.intercept_ns + 24 * fit.coefficient
    assert answer.warnings == ()


def test_the_size_derives_from_the_axes(directory):
    answer = predict(directory, "copy", [*KEY, "rows=6", "columns=4"])
    assert (answer.size, answer.warnings) == (24.0, ())
    assert predict(directory, "copy", [*KEY, "rows=6", "columns=4", "elements=24"]) == answer
    with pytest.raises(UsageError, match="contradicts"):
        predict(directory, "copy", [*KEY, "rows=6", "columns=4", "elements=25"])


def test_an_invalid_vector_is_answered_with_a_warning(directory):
    answer = predict(directory, "copy", [*KEY, "rows=16", "columns=8"])
    assert any("more than 96 elements" in warning for warning in answer.warnings)
    assert any("extrapolation" in warning for warning in answer.warnings)


def test_keys_may_be_written_in_other_ways(directory):
    assert predict(directory, "copy", ["grid=[1x01]", *KEY[1:], "elements=24"]).group == {
        "grid": "1x1",
        "lanes": "8",
        "layout": "tiled",
    }


@pytest.mark.parametrize(
    ("op", "assignments", "message"),
    [
        ("matmul", [], "holds the models of 'copy'"),
        ("copy", ["lanse=8"], "did you mean lanes"),
        ("copy", ["lanes"], "write KEY=VALUE"),
        ("copy", ["lanes=8", "lanes=8"], "given twice"),
        ("copy", ["lanes=9"], "there is 8, 64"),
        ("copy", ["lanes=many"], "write it like"),
        ("copy", ["lanes=8"], "8 groups match: say also grid=1x1, 1x12"),
        ("copy", [*KEY], "the size is missing: give elements=NUMBER"),
        ("copy", [*KEY, "elements=nan"], "not a finite number"),
        ("copy", [*KEY, "elements=big"], "not a number"),
        ("copy", ["grid=2x12", "lanes=64", "layout=tiled", "elements=4"], "has no line"),
    ],
)
def test_bad_questions_say_what_there_is(directory, op, assignments, message):
    with pytest.raises(UsageError, match=message):
        predict(directory, op, assignments)


def test_axes_with_one_value_need_not_be_given_and_negative_answers_are_flagged(directory):
    fit = next(g.fit for g in read_models(directory).groups if g.fit.is_fitted)
    sunk = GroupModel(("1x1", "8", "tiled"), replace(fit, intercept_ns=-1e4))
    content = (directory.path / PARQUET_FILE).read_bytes()
    try:
        table = model_table(directory.manifest, "vectors", [sunk])
        directory.replace(PARQUET_FILE, encode_parquet(table))
        answer = predict(directory, "copy", ["elements=24"])
        assert answer.duration_ns < 0
        assert "intercept is negative" in answer.warnings[0]
    finally:
        directory.replace(PARQUET_FILE, content)


def test_a_sweep_that_cannot_be_loaded_only_costs_the_check(directory, monkeypatch):
    monkeypatch.delattr(measured_sweep, "SWEEP")
    answer = predict(directory, "copy", [*KEY, "rows=6", "columns=4", "elements=24"])
    assert "rules were not checked" in answer.warnings[0]
    with pytest.raises(UsageError, match="no SWEEP"):
        predict(directory, "copy", [*KEY, "rows=6", "columns=4"])
