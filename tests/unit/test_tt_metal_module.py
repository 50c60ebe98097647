"""Sweep modules: imported by name, looked up, called."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from farm.errors import (
    CardError,
    ChangedSweepError,
    OpFailedError,
    PluginError,
    UnsupportedVectorError,
    UsageError,
)
from farm.tt_metal.fixture import opened
from farm.tt_metal.module import TtMetalModule, load_module, load_source
from farm.tt_metal.run_result import RunResult, read_result
from farm.tt_metal.source import format_source, parse_source
from farm.tt_metal.timeout import scanned_timeout_s
from sweeps.axis import AxisKind
from tests.tt_metal_checkout import SMALL, TREE, write_module

DEVICE = object()


def loaded(root: Path, text: str, name: str = "op.mine") -> TtMetalModule:
    return load_source(write_module(root, name, text))


def minimal(parameters: str, rest: str = "") -> str:
    return f"parameters = {parameters}\n{rest}\ndef run(*args, device, **kwargs): return True, ''\n"


@pytest.fixture
def small() -> TtMetalModule:
    return load_module(TREE, SMALL)


def test_a_module_as_it_is(small: TtMetalModule) -> None:
    assert [suite.name for suite in small.suites] == ["nightly", "xfail"]
    nightly = small.suite("nightly")
    assert [loop.names for loop in nightly.texts] == [
        ("m_size",),
        ("transpose",),
        ("k_size", "n_size"),
        ("mode",),
    ]
    assert nightly.texts[3].rows == (("fast",), ('"1"',), ("null",))
    assert nightly.loops[3].live.rows == (("fast",), ("1",), (None,))
    assert small.kinds == {
        "m_size": AxisKind.INT,
        "transpose": AxisKind.BOOL,
        "k_size": AxisKind.INT,
        "n_size": AxisKind.INT,
        "mode": AxisKind.STR,
        "index": AxisKind.INT,
    }
    assert (small.has_invalidate, small.fixture, small.timeout_s) == (True, None, 15.0)
    assert load_module(TREE, SMALL) is small


def test_arguments_are_the_live_objects(small: TtMetalModule) -> None:
    params = {"m_size": 64, "transpose": False, "k_size": 96, "n_size": 32, "mode": '"1"'}
    assert small.arguments({**params, "index_": None}) == {**params, "mode": "1"}
    assert small.arguments({**params, "mode": "null"}, "nightly")["mode"] is None
    assert small.arguments({"m_size": 64, "transpose": True, "index_": 2}) == {
        "m_size": 64,
        "transpose": True,
        "index": 2,
    }


def test_values_that_the_module_no_longer_has_are_no_cards_fault(small: TtMetalModule) -> None:
    for suite in ("", "xfail", "a suite of another module"):
        with pytest.raises(ChangedSweepError, match="was changed after the vectors were generated"):
            small.arguments({"m_size": 65, "transpose": True, "index_": 2}, suite)
    with pytest.raises(UsageError, match="no suite 'weekly'; its suites are nightly, xfail"):
        small.suite("weekly")


def test_objects_of_the_module_come_back_as_they_are(tmp_path: Path) -> None:
    module = loaded(
        tmp_path,
        minimal(
            "{'s': {'shape': [[1, 32], (1, 32)], 'mode': [Mode.A, 'Mode.A'], 'x': [0.0, -0.0]}}",
        ).replace("parameters", "import enum\nclass Mode(enum.Enum):\n    A = 1\nparameters", 1),
    )
    assert module.suites[0].texts[0].rows == (("[1,32]",), ("(1, 32)",))
    assert module.suites[0].texts[1].rows == (("Mode.A",),), "the framework cannot tell them apart"
    arguments = module.arguments({"shape": "(1, 32)", "mode": "Mode.A", "x": "-0.0"})
    assert arguments["shape"] == (1, 32)
    assert type(arguments["mode"]).__name__ == "Mode"
    assert str(arguments["x"]) == "-0.0"


def test_random_state_is_the_same_before_every_call(tmp_path: Path) -> None:
    module = loaded(
        tmp_path,
        """
        import random
        import numpy
        parameters = {"s": {"x": [random.random() for _ in range(3)]}}
        def run(x, *, device):
            return True, f"{random.random()} {numpy.random.rand()}"
        """,
    )
    first = module.call({"x": 1}, DEVICE)
    random.seed(99)
    np.random.seed(99)
    assert module.call({"x": 1}, DEVICE) == first != module.call({"x": 1}, DEVICE, seed=2**40)
    random.seed(0)
    drawn = [random.random() for _ in range(3)]
    assert [row[0] for row in module.suites[0].loops[0].live.rows] == drawn


def test_run_gets_parameters_and_device_and_no_bookkeeping(tmp_path: Path) -> None:
    module = loaded(
        tmp_path,
        """
        parameters = {"s": {"x": [1]}}
        def run(x, traced=None, __absent_keys__=None, *, device):
            return True, f"{x} {traced} {__absent_keys__} {type(device).__name__}"
        """,
    )
    given = {"x": 1, "traced": "__ABSENT__", "device": "other", "traced_source": "m"}
    assert module.call(given, DEVICE).message == "1 None {'traced'} object"
    assert module.call({"x": "a"}, DEVICE).message == "a None None object"
    text = "parameters = {'s': {'x': [1]}}\ndef run(x, device): return True, x\n"
    plain = loaded(tmp_path, text, "op.plain")
    assert plain.call({"x": "__ABSENT__"}, DEVICE).message == "None"


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ([(True, "PCC 0.99"), 1500], RunResult(True, "PCC 0.99", 1500.0)),
        ([(np.bool_(False), "low"), 2.5], RunResult(False, "low", 2.5)),
        ((True, "fine"), RunResult(True, "fine")),
        ((False, "no device", None, None), RunResult(False, "no device")),
        ([True, "flat", 7], RunResult(True, "flat", 7.0)),
        ([[True, "lists"], 7], RunResult(True, "lists", 7.0)),
        ((True, 0.99), RunResult(True, "0.99")),
    ],
    ids=str,
)
def test_every_shape_of_a_result_is_read(returned: object, expected: RunResult) -> None:
    assert read_result(returned) == expected


@pytest.mark.parametrize("returned", [None, True, [], (), (1, "x"), "ok", ["ok", "no"], {"a": 1}])
def test_what_is_no_result_fails_the_vector(returned: object) -> None:
    with pytest.raises(OpFailedError, match="run returned"):
        read_result(returned)


@pytest.mark.parametrize(
    ("line", "value", "scanned"),
    [
        ("", 30, 30),
        ("TIMEOUT = 15", 15, 15),
        ("TIMEOUT = 15  # longer", 15, 30),
        ("# TIMEOUT = 60", 30, 60),
        ("TIMEOUT = 10\nOTHER_TIMEOUT = 20", 10, 20),
        ("TIMEOUT = 2 * 45", 90, 30),
    ],
)
def test_the_timeout_is_the_assigned_one_or_as_scanned(
    tmp_path: Path, line: str, value: float, scanned: float
) -> None:
    module = loaded(tmp_path, f"{line}\n" + minimal("{'s': {'x': [1]}}"))
    assert (module.timeout_s, scanned_timeout_s(module.path)) == (value, scanned)


def test_parameters_with_names_of_the_store_have_axes_of_their_own(tmp_path: Path) -> None:
    module = loaded(tmp_path, minimal("{'s': {'index': [1], 'index_': [2], 'tiles': [3]}}"))
    assert module.arguments({"index_": 1, "index__": 2, "tiles_": 3}) == {
        "index": 1,
        "index_": 2,
        "tiles": 3,
    }


def test_modules_import_each_other_and_what_the_checkout_shares(tmp_path: Path) -> None:
    write_module(tmp_path, "matmul.base", "EDGES = [32, 64]\n")
    (tmp_path / "tests" / "shared_by_sweeps.py").write_text("FACTOR = 3\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ours.py").write_text("NAME = 'm'\n")
    module = loaded(
        tmp_path,
        """
        from models.ours import NAME
        from sweeps.matmul.base import EDGES
        from tests.shared_by_sweeps import FACTOR
        parameters = {NAME: {"m": [FACTOR * edge for edge in EDGES]}}
        def run(m, *, device): return True, ""
        """,
        "matmul.mine",
    )
    assert module.suite("m").loops[0].live.rows == ((96,), (192,))
    from sweeps.matmul import SWEEP

    assert SWEEP.name == "matmul", "our own module of that name is still there"
    assert str(tmp_path) in sys.path
    load_module(TREE, SMALL)


def test_another_checkout_has_its_own_shared_modules(tmp_path: Path) -> None:
    rows = []
    for folder, factor in (("one", 1), ("two", 2)):
        root = tmp_path / folder
        source = write_module(
            root, "op.m", "from tests.shared_factor import F\n" + minimal("{'s': {'x': [F]}}")
        )
        (root / "tests" / "shared_factor.py").write_text(f"F = {factor}\n")
        rows.append(load_source(source).suites[0].loops[0].live.rows)
    assert rows == [((1,),), ((2,),)]


def refusal(root: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        assert loaded(root, text).suites
    return str(caught.value)


def test_a_module_that_does_not_import_says_what_is_missing_and_from_where(tmp_path: Path) -> None:
    text = refusal(tmp_path, "import json\nimport ttnn_of_nobody\n")
    assert "No module named 'ttnn_of_nobody'" in text
    assert "mine.py:2" in text
    assert f"Import roots: {tmp_path} and {tmp_path / 'tests/sweep_framework'}" in text
    assert "python_env" in text
    assert "not in this checkout" in refusal(tmp_path / "b", "import models.of_nobody\n")
    assert "ZeroDivisionError" in refusal(tmp_path / "c", "1 / 0\n")
    assert "SystemExit" in refusal(tmp_path / "d", "import sys\nsys.exit(1)\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parameters = {'s': {'x': [1]}}", "has no function run"),
        ("def run(): pass", "has no parameters"),
        (minimal("{}"), "has no parameters"),
        (minimal("{'s': 3}"), "suite 's': it must be a dictionary"),
        (minimal("{'s': {'x': 3}}"), "parameter 'x': 3 is no list of values"),
        (minimal("{'s': {'x': [object()]}}"), "parameter 'x': the value object <object object"),
        (minimal("{'s': {'x': [{1: 2, 'a': 3}]}}"), "parameter 'x': the value dict"),
        (minimal("{'s': {'a,b': [(1, 2, 3)]}}"), "value 0 is (1, 2, 3); it must be a tuple of 2"),
        (minimal("{'s': {'a,b': [(1, 2)], 'a': [1]}}"), "'a' is given twice"),
        (minimal("{'s': {'a b': [1]}}"), "'a b' cannot name an argument"),
        (minimal("{'s': {'x': (1 / y for y in [1, 0])}}"), "ZeroDivisionError"),
        (minimal("{'s': {'x': [1]}}", "TIMEOUT = '9'"), "TIMEOUT = '9' is no positive number"),
        (minimal("{'s': {'x': [1]}}", "TIMEOUT = 0"), "TIMEOUT = 0 is no positive number"),
    ],
)
def test_a_wrong_module_is_refused_by_name_and_place(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert expected in refusal(tmp_path, text)


def test_an_endless_generator_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.tt_metal.expansion.MOST_VALUES", 100)
    endless = "import itertools\n" + minimal("{'s': {'x': itertools.count()}}")
    assert "more than 100 values; is it endless?" in refusal(tmp_path, endless)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean matmul\.short\.small"):
        load_module(TREE, "matmul.short.smal")
    with pytest.raises(UsageError, match=r"did you mean matmul\.short\.small"):
        load_module(TREE, "sweeps/matmul/short/small.py")
    with pytest.raises(UsageError, match="give the root of a tt-metal checkout"):
        load_module(TREE / "tests", SMALL)


def test_source_texts_lead_to_root_and_module(tmp_path: Path) -> None:
    root = tmp_path / "a:b"
    assert parse_source(format_source(root, SMALL)) == (root, SMALL)
    for text in ("tt-metal:", "tt-metal:/x", "reshard", "tt-metal::m"):
        with pytest.raises(UsageError, match="write tt-metal:ROOT:MODULE"):
            parse_source(text)
    assert issubclass(PluginError, UsageError)


def test_a_fixture_is_torn_down_after_use() -> None:
    steps = []

    def fixture():
        steps.append("open")
        yield DEVICE, "one card"
        steps.append("close")

    with opened(fixture) as (device, label):
        assert (device, label, steps) == (DEVICE, "one card", ["open"])
    assert steps == ["open", "close"]
    with pytest.raises(ZeroDivisionError), opened(fixture):
        1 / 0  # noqa: B018 - fails while the device is open
    assert steps == ["open", "close"] * 2


def test_a_fixture_may_refuse_the_machine() -> None:
    def fixture():
        assert False, "needs two chips"  # noqa: B011, PT015
        yield

    with pytest.raises(UnsupportedVectorError, match="DEVICE EXCEPTION: needs two chips"):
        opened(fixture).__enter__()


def test_a_wrong_fixture_is_an_incident() -> None:
    def twice():
        yield None, "a"
        yield None, "b"

    with pytest.raises(CardError, match="yielded more than once"), opened(twice):
        pass
    with pytest.raises(CardError, match="without yielding"):
        opened(lambda: iter(())).__enter__()
    with pytest.raises(CardError, match="mesh_device_fixture failed: RuntimeError: no card"):
        opened(lambda: (_ for _ in ()).throw(RuntimeError("no card"))).__enter__()
