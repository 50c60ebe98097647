"""A module's own way to open its device: ``mesh_device_fixture``.

A generator function that yields exactly once, ``(device or None, label)``; what follows the yield
is the teardown.  It refuses by an AssertionError, for example where it needs more chips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from farm.errors import CardError, UnsupportedVectorError

Fixture = Callable[[], Iterator[Any]]


@contextmanager
def opened(fixture: Fixture) -> Iterator[tuple[Any, str]]:
    """Open a module's device, and tear it down at the end.

    Parameters
    ----------
    fixture : Callable
        The module's ``mesh_device_fixture``.

    Yields
    ------
    tuple
        The device, or None where the module opens it later, and its label.

    Raises
    ------
    UnsupportedVectorError
        If the fixture refuses this machine: then no vector of the module can run on it.
    CardError
        If it fails otherwise, or does not yield a device and a label exactly once.
    """
    try:
        steps = iter(fixture())
        device, label = next(steps)
    except AssertionError as error:
        raise UnsupportedVectorError(f"DEVICE EXCEPTION: {error}") from error
    except StopIteration as error:
        raise CardError("mesh_device_fixture ended without yielding a device") from error
    except Exception as error:
        raise CardError(f"mesh_device_fixture failed: {type(error).__name__}: {error}") from error
    try:
        yield device, str(label)
    finally:
        _tear_down(steps)


def _tear_down(steps: Iterator[Any]) -> None:
    try:
        next(steps)
    except StopIteration:
        return
    except Exception as error:
        raise CardError(f"closing the device failed: {type(error).__name__}: {error}") from error
    raise CardError("mesh_device_fixture yielded more than once; it must yield exactly once")
