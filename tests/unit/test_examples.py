"""The examples of the how-to pages are sweeps that load, select and run."""

from pathlib import Path

import numpy as np
import pytest

from farm.catalog import load_sweep
from sweeps.generate import select, vectors

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_softmax_sweep() -> None:
    sweep = load_sweep(str(EXAMPLES / "softmax_sweep.py"))
    assert sweep.version.startswith("code ")
    assert sweep.kernel is not None
    n_vectors = 0
    for suite in sweep.suites():
        selection = select(sweep, suite)
        table = vectors(sweep, selection, 0, len(selection.kept))
        n_vectors += table.num_rows
        assert selection.rejected == {"more than 1048576 elements": 3}
        first = table.slice(0, 1).to_pylist()[0]
        result = sweep.kernel({axis.name: first[axis.name] for axis in sweep.axes})()
        assert isinstance(result, np.ndarray)
        assert result.dtype == suite.name
        assert result.shape == (first["rows"], first["columns"])
        assert result.sum(axis=1) == pytest.approx(np.ones(first["rows"]), rel=1e-5)
    assert n_vectors == 2 * 17


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*_sweep.py")), ids=lambda path: path.stem)
def test_every_example_sweep_is_shown_in_the_documentation(path: Path) -> None:
    how_to = EXAMPLES.parent / "docs" / "how-to" / "add-a-sweep.md"
    assert f"../../examples/{path.name}" in how_to.read_text()
