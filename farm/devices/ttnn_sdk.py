"""TT-NN, called: the only module of the project that touches the SDK of tt-metal.

Everything that is assumed of it stands here; ``docs/how-to/tt-metal.md`` lists it.  Nothing is
imported before it is needed, and never before `farm.devices.ttnn_environment.prepare`: the SDK
reads its environment once.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farm.errors import CardError

PACKAGE = "ttnn"
_GIT_TIMEOUT_S = 10.0


def missing() -> str | None:
    """Say what this Python lacks to use the SDK, or None."""
    try:
        spec = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        return (
            "the Python package ttnn is not importable here; run farm with the Python of a "
            "tt-metal build that has the device profiler (see docs/how-to/tt-metal.md)"
        )
    return None


@contextmanager
def _fault(doing: str) -> Iterator[None]:
    """Turn whatever the SDK raises into a fault of the card."""
    try:
        yield
    except Exception as error:
        raise CardError(f"{doing} failed: {type(error).__name__}: {error}") from error


def _ttnn() -> Any:
    return importlib.import_module(PACKAGE)


def open_device(l1_small_bytes: int | None) -> Any:
    """Open the one card that this process can see.

    Parameters
    ----------
    l1_small_bytes : int or None
        Memory of each core that is set aside for small buffers, bytes; None: the SDK's default.

    Raises
    ------
    CardError
        If it does not open.
    """
    settings = {} if l1_small_bytes is None else {"l1_small_size": l1_small_bytes}
    with _fault("opening the card"):
        # Visible cards are counted from 0, whatever their numbers on the host.
        return _ttnn().open_device(device_id=0, **settings)


def close_device(device: Any) -> None:
    """Close a card.

    Raises
    ------
    CardError
        If it does not close.
    """
    with _fault("closing the card"):
        _ttnn().close_device(device)


def n_chips(device: Any) -> int:
    """Chips of a device or mesh."""
    count = getattr(device, "get_num_devices", None)
    return int(count()) if count is not None else 1


def arch(device: Any) -> str:
    """Architecture of an open card, such as ``wormhole_b0``.

    Raises
    ------
    CardError
        If it does not say.
    """
    with _fault("asking the card for its architecture"):
        return str(device.arch()).rpartition(".")[2].lower()


def launch_counter() -> int:
    """Id that the next program launched by this process will have.

    Raises
    ------
    CardError
        If the SDK does not say.
    """
    with _fault("reading the counter of launches"):
        return int(_ttnn()._ttnn.get_device_operation_id())  # noqa: SLF001 - it is nowhere else


def synchronize(device: Any) -> None:
    """Wait until everything that was launched has ended.

    Raises
    ------
    CardError
        If the card says that it failed.
    """
    with _fault("waiting for the card"):
        _ttnn().synchronize_device(device)


def dump_profiler(device: Any) -> None:
    """Have the device profiler's buffer appended to its log; complete when this returns.

    Raises
    ------
    CardError
        If it fails, or the build has no device profiler.
    """
    ttnn = _ttnn()
    dump = getattr(ttnn, "ReadDeviceProfiler", None) or getattr(ttnn, "DumpDeviceProfiler", None)
    if dump is None:
        raise CardError("this build of ttnn has neither ReadDeviceProfiler nor DumpDeviceProfiler")
    with _fault("draining the device profiler"):
        dump(device)


def add_ones(device: Any, shape: tuple[int, ...]) -> float:
    """Add a tensor of ones to itself on the card: one program.

    Returns
    -------
    float
        What the elements of the result are if they are all the same, else NaN.

    Raises
    ------
    CardError
        If it fails.
    """
    ttnn = _ttnn()
    with _fault("the probe"):
        ones = ttnn.ones(
            list(shape),
            dtype=ttnn.bfloat16,
            layout=ttnn.TILE_LAYOUT,
            device=device,
            memory_config=ttnn.DRAM_MEMORY_CONFIG,
        )
        result = ttnn.add(ones, ones)
        elements = ttnn.to_torch(result)
        ttnn.deallocate(result)
        ttnn.deallocate(ones)
        least, most = float(elements.min()), float(elements.max())
    return least if least == most else float("nan")


def version() -> str:
    """Version of the imported SDK, or where it was imported from."""
    ttnn = _ttnn()
    return str(getattr(ttnn, "__version__", None) or Path(str(ttnn.__file__)).parent)


def checkout_commit(root: Path) -> str:
    """Git commit of a tt-metal checkout; empty if it is none, or git does not tell."""
    command = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    top, _, commit = done.stdout.strip().partition("\n")
    is_checkout = done.returncode == 0 and Path(top) == root.resolve()
    return commit if is_checkout else ""
