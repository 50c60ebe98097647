"""Sweep modules as sweeps: described and judged in other processes, generated, run again."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.catalog import load_sweep, resolve_source
from farm.errors import DifferentSweepError, PluginError, UsageError
from farm.generation import Plan, open_or_generate, plan_of
from farm.quarantine import Poison, export
from farm.store.check import verify
from farm.store.directory import SweepDirectory
from farm.tt_metal import invalidation
from farm.tt_metal.expansion import candidates
from farm.tt_metal.invalidation import Invalidation
from farm.tt_metal.module import LiveSuite, TtMetalModule, load_module
from farm.tt_metal.tensor_tiles import n_tiles
from sweeps.limits import limited
from tests.tt_metal_checkout import SMALL, TREE, write_module

SOURCE = f"tt-metal:{TREE}:{SMALL}"


def generated(path: Path, source: str, *limits: str) -> SweepDirectory:
    sweep = limited(load_sweep(source), list(limits))
    return open_or_generate(path, Plan(sweep, source, limits))


def rows_of(directory: SweepDirectory) -> list[dict[str, Any]]:
    return [row for c in directory.chunks() for row in directory.vectors(c.chunk_id).to_pylist()]


def test_a_module_is_described_without_importing_it_here() -> None:
    sys.modules.pop(f"sweeps.{SMALL}", None)
    sweep = load_sweep(SOURCE)
    assert f"sweeps.{SMALL}" not in sys.modules
    assert sweep.fingerprint == load_sweep(SOURCE, runs_here=True).fingerprint
    assert (sweep.name, sweep.op, sweep.origin, sweep.timeout_s) == (SMALL, SMALL, SOURCE, 15.0)
    assert resolve_source(SOURCE) == SOURCE


def test_vectors_are_the_valid_candidates_of_each_suite_in_order(tmp_path: Path) -> None:
    directory = generated(tmp_path / "s", SOURCE)
    module = load_module(TREE, SMALL)
    expected, rejected = [], Counter[str]()
    for suite in module.suites:
        for params in candidates(suite.texts):
            is_valid = suite.name == "xfail" or params["k_size"] <= params["m_size"]
            expected += [(suite.name, params)] * is_valid
            rejected[suite.name] += not is_valid
    found = [
        (row["suite"], {n: row[n] for n in module.kinds if row.get(n) is not None})
        for row in ({**row, "index": row["index_"]} for row in rows_of(directory))
    ]
    assert found == expected
    assert rejected["nightly"] == 6
    first, second = directory.manifest.suites
    assert first["rejected"] == {"K exceeds M": 6}
    assert (first["n_candidates"], first["n_valid"], first["n_vectors"]) == (36, 30, 30)
    assert (second["rejected"], second["n_vectors"]) == ({}, 4)
    assert verify(directory.path).findings == ()


def test_a_directory_leads_back_to_its_module_and_suites(tmp_path: Path) -> None:
    directory = generated(tmp_path / "s", SOURCE, "suite=nightly", "mode=null", "m_size=96..128")
    assert directory.manifest.n_vectors == 2 * 2 * 2
    assert plan_of(directory.manifest).sweep.fingerprint == directory.manifest.fingerprint
    again = generated(tmp_path / "s", SOURCE, "suite=nightly", "mode=null", "m_size=96..128")
    assert again.manifest == directory.manifest
    with pytest.raises(DifferentSweepError):
        generated(tmp_path / "s", SOURCE, "suite=nightly")


def test_a_suspicious_vector_is_reproduced_alone(tmp_path: Path) -> None:
    directory = generated(tmp_path / "s", SOURCE)
    row = rows_of(directory)[4]
    poison = Poison(4, row["vector_id"].hex(), "HANG", [{"card": "ttnn:0"}])
    command = shlex.split(export(directory, poison)["reproduce"])
    limits = [text for option, text in itertools.pairwise(command) if option == "--limit"]
    alone = generated(tmp_path / "alone", command[2], *limits)
    assert [found["vector_id"] for found in rows_of(alone)] == [row["vector_id"]]


def test_verdicts_do_not_depend_on_how_the_work_is_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweep = load_sweep(SOURCE)
    suites = list(sweep.suites())
    whole = Invalidation(SOURCE)(suites)
    reports: list[tuple[int, int]] = []
    monkeypatch.setattr(invalidation, "UNIT_CANDIDATES", 7)
    monkeypatch.setattr(invalidation, "CANDIDATES_PER_PROCESS", 8)
    split = Invalidation(SOURCE)(suites, lambda n, total: reports.append((n, total)))
    assert [v.is_valid.tolist() for v in split] == [v.is_valid.tolist() for v in whole]
    assert [v.rejected for v in split] == [v.rejected for v in whole]
    assert reports[-1] == (40, 40)
    assert len(reports) > 2


JUDGED = """
parameters = {{"good": {{"x": [1, 2]}}, "bad": {{"x": list(range(200))}}}}
def invalidate_vector(test_vector):
    {body}
def run(x, *, device): return True, ""
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return 1 / (150 - test_vector['x']) < 0, 'no'", "ZeroDivisionError"),
        ("return None", "must return (is_invalid, reason or None)"),
        ("return test_vector['nothing']", "KeyError: 'nothing'"),
    ],
)
def test_nothing_is_written_where_invalidate_vector_fails(
    tmp_path: Path, body: str, expected: str
) -> None:
    source = write_module(tmp_path, "op.judged", JUDGED.format(body=body))
    with pytest.raises(UsageError) as caught:
        generated(tmp_path / "out", source)
    assert expected in str(caught.value)
    assert "op.judged: invalidate_vector failed" in str(caught.value)
    assert ("judged.py:4" in str(caught.value)) == (body != "return None")
    assert "x=" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_judged_vectors_have_live_objects_and_what_the_framework_adds(tmp_path: Path) -> None:
    body = "return True, repr(sorted(test_vector.items(), key=str))"
    source = write_module(tmp_path, "op.judged", JUDGED.format(body=body))
    suites = list(limited(load_sweep(source), ["suite=good"]).suites())
    (verdicts,) = Invalidation(source)(suites)
    assert dict(verdicts.rejected) == {
        repr(
            [
                ("invalid_reason", ""),
                ("status", "VectorStatus.CURRENT"),
                ("suite_name", "good"),
                ("sweep_name", "op.judged"),
                ("validity", "VALID"),
                ("x", x),
            ]
        ): 1
        for x in (1, 2)
    }


def test_reasons_that_name_each_candidate_are_abridged(tmp_path: Path) -> None:
    body = "return test_vector['x'] != 2, f\"{test_vector['x'] if test_vector['x'] > 5 else ''}\""
    source = write_module(tmp_path, "op.judged", JUDGED.format(body=body))
    suites = list(limited(load_sweep(source), ["suite=bad"]).suites())
    (verdicts,) = Invalidation(source)(suites)
    assert len(verdicts.rejected) == 50
    assert sum(verdicts.rejected.values()) == 199
    assert verdicts.rejected["invalid, no reason given"] == 5
    assert verdicts.rejected["other reasons"] == 199 - 5 - 48


def test_a_module_that_kills_its_process_is_named(tmp_path: Path) -> None:
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
    source = write_module(tmp_path, "op.crash", text)
    with pytest.raises(PluginError, match=r"op\.crash: the process .* was ended by SIGSEGV"):
        load_sweep(source)


def test_what_a_module_prints_is_not_on_standard_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = "print('hello')\nparameters = {'s': {'x': [1]}}\ndef run(x, *, device): pass\n"
    load_sweep(write_module(tmp_path, "op.chatty", text))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_a_suite_without_values_is_excluded_with_its_reason(tmp_path: Path) -> None:
    text = """
    parameters = {"one": {"x": [1], "y": [2]}, "two": {"x": [], "y": [2]}, "three": {}}
    def run(**kwargs): return True, ""
    """
    directory = generated(tmp_path / "s", write_module(tmp_path, "op.empty", text))
    assert directory.manifest.n_vectors == 1
    assert directory.manifest.excluded_suites == {
        "no value of x is left": 1,
        "a suite without parameters": 1,
    }
    nothing = "parameters = {'s': {'x': []}}\ndef run(**kwargs): pass\n"
    with pytest.raises(UsageError, match=r"op\.none: no suite has a parameter with a value"):
        load_sweep(write_module(tmp_path, "op.none", nothing))


def test_parameters_drawn_at_import_are_the_same_in_every_process(tmp_path: Path) -> None:
    text = """
    import random
    import numpy
    parameters = {"s": {
        "x": [random.randint(0, 10**9) for _ in range(5)],
        "y": {f"v{i}" for i in range(20)},
        "z": numpy.random.rand(3).tolist(),
    }}
    def run(**kwargs): return True, ""
    """
    source = write_module(tmp_path, "op.drawn", text)
    prints = {load_sweep(source, runs_here=here).fingerprint for here in (True, False, False)}
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("text", "tiles"),
    [
        ("[1,1,64,96]", 6),
        ("(33, 32)", 2),
        ("(40,)", 2),
        ("[2,3,1,1]", 6),
        ("Shape([1, 1, 64, 64])", 4),
        ("[[32,32],[1,64]]", 3),
        ('{"shape":[1,32,64],"layout":"TILE"}', 2),
        ("[0,32]", 0),
        ("null", 0),
        (7, 0),
    ],
)
def test_tiles_of_the_shapes_in_a_text(text: str | int, tiles: int) -> None:
    assert n_tiles(text) == tiles


def test_groups_are_all_parameters_but_the_shapes(tmp_path: Path) -> None:
    text = """
    parameters = {"s": {"input_shape": [[32, 32], [64, 32]], "dtype": ["a", "b"]}}
    def run(**kwargs): return True, ""
    """
    directory = generated(tmp_path / "s", write_module(tmp_path, "op.sized", text))
    assert (directory.manifest.group_by, directory.manifest.size) == (("dtype",), "tiles")
    rows = rows_of(directory)
    assert [row["tiles"] for row in rows] == [1, 1, 2, 2]
    assert [row["group_id"] for row in rows[:2]] == [row["group_id"] for row in rows[2:]]


SHARED = """
shapes = [[32 * i, 32] for i in range(1, 6)]
parameters = {
    f"{n}-{mode}": {"mode": [mode], "n": [n], "shape": shapes, "a,b": [(n, "x"), (3, "y")]}
    for n in (1, 2)
    for mode in ("fast", "slow")
}
parameters["other"] = {"shape": list(shapes), "n": [1]}
parameters["fewer"] = {"shape": shapes[1:3], "n": [True]}
def run(**kwargs): return True, ""
"""


@pytest.mark.parametrize("runs_here", [True, False])
def test_suites_over_the_same_values_share_their_loops(tmp_path: Path, runs_here: bool) -> None:
    sweep = load_sweep(write_module(tmp_path, "op.shared", SHARED), runs_here)
    suites = {suite.name: suite for suite in sweep.own_suites}

    def loops(axis: str) -> dict[str, int]:
        """Suite -> its loop over an axis, by identity."""
        return {
            suite.name: id(loop)
            for suite in suites.values()
            for loop in suite.loops
            if axis in loop.names
        }

    of_shapes, of_modes, of_pairs = loops("shape"), loops("mode"), loops("a")
    assert len({of_shapes[name] for name in suites if name != "fewer"}) == 1
    assert of_shapes["fewer"] != of_shapes["other"]
    assert of_modes["1-fast"] == of_modes["2-fast"] != of_modes["1-slow"]
    assert of_pairs["1-fast"] == of_pairs["1-slow"] != of_pairs["2-fast"]
    limited_loops = {
        id(loop)
        for suite in limited(sweep, ["shape=[64,32]"]).own_suites
        for loop in suite.loops
        if "shape" in loop.names
    }
    assert len(limited_loops) == 2
    # True is 1 in Python, and another value of an axis.
    assert [suite.loops[1].steps.tolist() for suite in (suites["other"], suites["fewer"])] == [
        [[0]],
        [[2]],
    ]


def test_sharing_loops_changes_no_identity(tmp_path: Path) -> None:
    apart = SHARED.replace('"shape": shapes,', '"shape": [list(shape) for shape in shapes],')
    directories = [
        generated(tmp_path / str(i), write_module(tmp_path / f"tt{i}", "op.shared", text))
        for i, text in enumerate((SHARED, apart))
    ]
    first, second = (d.manifest.declaration["suites"] for d in directories)
    assert first == second
    assert len(set(first.values())) == len(first) == 6
    assert rows_of(directories[0]) == rows_of(directories[1])
    module = load_module(tmp_path / "tt0", "op.shared")
    shapes = {id(module.arguments(dict(p), s.name)["shape"]) for s, p in some_of_each(module)}
    assert len(shapes) == 5


def test_values_that_judged_suites_share_are_written_once(tmp_path: Path) -> None:
    text = """
    class Shape(tuple):
        n_written = 0
        def to_json(self):
            Shape.n_written += 1
            return str(list(self))

    shapes = [Shape([32 * i, 32]) for i in range(1, 6)]
    parameters = {f"s{n}": {"n": [n], "shape": tuple(shapes)} for n in range(20)}
    def invalidate_vector(test_vector):
        return Shape.n_written != 5, f"{Shape.n_written} written"
    def run(**kwargs): return True, ""
    """
    directory = generated(tmp_path / "s", write_module(tmp_path, "op.written", text))
    assert directory.manifest.n_vectors == 100


def some_of_each(module: TtMetalModule) -> Iterator[tuple[LiveSuite, dict[str, Any]]]:
    return ((suite, params) for suite in module.suites for params in candidates(suite.texts))


def test_a_random_iterator_is_drawn_alike_whichever_suite_is_looked_at(tmp_path: Path) -> None:
    text = """
    import random
    parameters = {
        name: {"x": (random.randint(0, 10**9) for _ in range(3))} for name in ("one", "two")
    }
    def invalidate_vector(test_vector):
        return test_vector["x"] % 2 == 1, "odd"
    def run(**kwargs): return True, ""
    """
    source = write_module(tmp_path, "op.random", text)
    kept = [
        row["x"]
        for i, limits in enumerate(((), ("suite=two",)))
        for row in rows_of(generated(tmp_path / str(i), source, *limits))
        if row["suite"] == "two"
    ]
    expected = [x for (x,) in load_module(tmp_path, "op.random").suite("two").loops[0].live.rows]
    even = [x for x in expected if x % 2 == 0]
    assert kept == even + even
    assert len(even) > 0
