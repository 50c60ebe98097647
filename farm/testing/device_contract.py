"""The contract of a device kind, as tests.

Subclass `DeviceContract` in a test module, say which kind to test and with which vectors, and run
pytest::

    class TestMyDevice(DeviceContract):
        def kind(self):
            return my_package.KIND

        def sweep(self):
            return my_sweep.SWEEP

        def good_params(self):
            return [{"n": 1}, {"n": 2}]
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from farm.devices.device import (
    PROFILE_SCHEMA,
    CardControl,
    CardSlot,
    Device,
    DeviceKind,
    ResetLevel,
)
from farm.devices.registry import check_options
from farm.errors import CardError, OpError, UsageError
from sweeps.axis import Value
from sweeps.space import Sweep
from sweeps.vector import Vector, vector_id

FIRST_TAG = 1_000_000_007
"""Tags are the farm's: a device may assume nothing about where they begin."""


def vector_of(sweep: Sweep, params: Mapping[str, Value], index: int = 0) -> Vector:
    """Make the vector of a sweep that has these parameters."""
    return Vector(index, vector_id(sweep.op, params), sweep.op, params, sweep.derive(params))


def launches(profile: pa.Table) -> list[tuple[int, int]]:
    """Tag and repeat of every row of a profile, sorted."""
    return sorted(zip(profile["tag"].to_pylist(), profile["repeat"].to_pylist(), strict=True))


def expected_launches(tags: Sequence[int], repeats: int) -> list[tuple[int, int]]:
    """Tag and repeat of every launch that should be in a profile, sorted."""
    return sorted((tag, repeat) for tag in tags for repeat in range(repeats))


class DeviceContract(ABC):
    """What the farm relies on in every device; pytest runs the subclasses."""

    repeats = 3

    @abstractmethod
    def kind(self) -> DeviceKind:
        """Return the kind under test."""

    @abstractmethod
    def sweep(self) -> Sweep:
        """Return the sweep that the vectors belong to."""

    @abstractmethod
    def good_params(self) -> Sequence[Mapping[str, Value]]:
        """Return parameters of at least two vectors that a healthy card runs."""

    def options(self) -> Mapping[str, str]:
        """Device options to test with."""
        return {}

    def failing_params(self) -> Mapping[str, Value] | None:
        """Return parameters of a vector for which `execute` raises `OpError`, if there is one."""
        return None

    @pytest.fixture
    def slot(self) -> CardSlot:
        """First card of the kind."""
        lacking = self.kind().missing()
        if lacking:
            pytest.skip(lacking)
        return self.kind().discover(1, self.options())[0]

    @pytest.fixture
    def device(self, slot: CardSlot) -> Iterator[Device]:
        """Open card."""
        device = self.kind().device(slot, self.sweep())
        device.open()
        yield device
        device.close()

    @pytest.fixture
    def control(self, slot: CardSlot) -> CardControl:
        """Care of the card."""
        return self.kind().control(slot)

    @pytest.fixture
    def vectors(self) -> list[Vector]:
        """Good vectors."""
        vectors = [vector_of(self.sweep(), p, i) for i, p in enumerate(self.good_params())]
        assert len(vectors) >= 2, "good_params must give at least two vectors"
        return vectors

    def _run(self, device: Device, vectors: Sequence[Vector], first_tag: int) -> list[int]:
        tags = list(range(first_tag, first_tag + len(vectors)))
        for tag, vector in zip(tags, vectors, strict=True):
            device.execute(vector, self.repeats, tag)
        return tags

    # The kind.

    def test_the_kind_is_described(self) -> None:
        kind = self.kind()
        assert kind.name.isidentifier()
        assert isinstance(kind.is_simulated, bool)
        assert all(text.strip() for text in kind.option_help.values())
        assert set(self.options()) <= set(kind.option_help)

    def test_an_unknown_option_is_refused_by_name(self) -> None:
        wrong = {**self.options(), "no_such_option": "1"}
        with pytest.raises(UsageError, match="no_such_option"):
            check_options(self.kind(), wrong)
        with pytest.raises(UsageError, match="no_such_option"):
            self.kind().discover(1, wrong)

    def test_more_cards_than_there_are_are_refused_or_made(self, slot: CardSlot) -> None:
        try:
            slots = self.kind().discover(100_000, self.options())
        except UsageError:
            return
        assert len({each.card for each in slots}) == 100_000

    def test_discovery_is_repeatable_and_opens_nothing(self, slot: CardSlot) -> None:
        assert self.kind().discover(1, self.options()) == [slot]
        assert slot.kind == self.kind().name
        assert slot.index == 0

    # Opening and closing.

    def test_a_card_opens_again_after_closing(self, slot: CardSlot, vectors: list[Vector]) -> None:
        device = self.kind().device(slot, self.sweep())
        for first_tag in (0, 100):
            device.open()
            tags = self._run(device, vectors[:1], first_tag)
            assert launches(device.read_profile()) == expected_launches(tags, self.repeats)
            device.close()

    def test_closing_twice_or_before_opening_is_fine(self, slot: CardSlot) -> None:
        device = self.kind().device(slot, self.sweep())
        device.close()
        device.open()
        device.close()
        device.close()

    def test_a_closed_card_measures_nothing(self, slot: CardSlot, vectors: list[Vector]) -> None:
        device = self.kind().device(slot, self.sweep())
        with pytest.raises(CardError):
            device.execute(vectors[0], self.repeats, 0)

    def test_the_card_says_what_it_is(self, device: Device, slot: CardSlot) -> None:
        info = device.info
        assert info.card == slot.card
        assert info.kind == slot.kind
        assert info.arch
        assert info.software, "name at least one library and its version"
        assert all(hz > 0 for hz in info.clocks_hz.values())
        pairs: list[tuple[Any, Any]] = [*info.software.items(), *info.details.items()]
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in pairs)

    # Measuring.

    def test_every_launch_is_recorded_once(self, device: Device, vectors: list[Vector]) -> None:
        tags = self._run(device, vectors, FIRST_TAG)
        assert launches(device.read_profile()) == expected_launches(tags, self.repeats)

    def test_the_profile_has_the_schema(self, device: Device, vectors: list[Vector]) -> None:
        empty = device.read_profile()
        self._run(device, vectors, 0)
        for profile in (empty, device.read_profile()):
            for field in PROFILE_SCHEMA:
                found = profile.schema.field(field.name)
                assert found.type == field.type
                assert profile[field.name].null_count == 0

    def test_durations_are_positive_and_finite(self, device: Device, vectors: list[Vector]) -> None:
        self._run(device, vectors, 0)
        duration_ns = device.read_profile()["duration_ns"].to_numpy()
        assert np.all(np.isfinite(duration_ns))
        assert np.all(duration_ns > 0)

    def test_reading_drains(self, device: Device, vectors: list[Vector]) -> None:
        assert device.read_profile().num_rows == 0
        self._run(device, vectors, 0)
        assert device.read_profile().num_rows == len(vectors) * self.repeats
        assert device.read_profile().num_rows == 0

    def test_batches_do_not_mix(self, device: Device, vectors: list[Vector]) -> None:
        for first_tag in (500, 0, FIRST_TAG):
            tags = self._run(device, vectors[:2], first_tag)
            assert launches(device.read_profile()) == expected_launches(tags, self.repeats)

    def test_one_vector_may_run_under_two_tags(self, device: Device, vectors: list[Vector]) -> None:
        tags = self._run(device, [vectors[0], vectors[1], vectors[0]], 10)
        assert launches(device.read_profile()) == expected_launches(tags, self.repeats)

    def test_the_number_of_repeats_is_per_vector(
        self, device: Device, vectors: list[Vector]
    ) -> None:
        device.execute(vectors[0], 1, 1)
        device.execute(vectors[1], 4, 2)
        expected = expected_launches([1], 1) + expected_launches([2], 4)
        assert launches(device.read_profile()) == expected

    def test_a_failing_vector_leaves_its_neighbours_alone(
        self, device: Device, vectors: list[Vector]
    ) -> None:
        params = self.failing_params()
        if params is None:
            pytest.skip("the subclass names no failing vector")
        device.execute(vectors[0], self.repeats, 1)
        with pytest.raises(OpError) as caught:
            device.execute(vector_of(self.sweep(), params), self.repeats, 2)
        device.execute(vectors[1], self.repeats, 3)
        assert str(caught.value), "the error must say why"
        found = launches(device.read_profile())
        # Launches that a vector made before it failed may be there, under its own tag only.
        assert [row for row in found if row[0] != 2] == expected_launches([1, 3], self.repeats)

    # Care of the card.

    def test_the_probe_of_a_good_card_is_healthy(
        self, device: Device, control: CardControl
    ) -> None:
        for tag, vector in enumerate(control.probe_vectors()):
            device.execute(vector, self.repeats, tag)
        assert control.probe_is_healthy(device.read_profile())

    def test_a_probe_without_records_is_not_healthy(self, control: CardControl) -> None:
        if control.probe_vectors():
            assert not control.probe_is_healthy(PROFILE_SCHEMA.empty_table())

    def test_probe_vectors_are_none_of_the_sweep(self, control: CardControl) -> None:
        for vector in control.probe_vectors():
            assert vector.index < 0
            assert vector.vector_id == vector_id(vector.op, vector.params)

    def test_a_reset_card_works(
        self, slot: CardSlot, control: CardControl, vectors: list[Vector]
    ) -> None:
        for level in ResetLevel:
            with contextlib.suppress(CardError):  # a kind may be unable to reset; the probe decides
                control.reset(level)
            device = self.kind().device(slot, self.sweep())
            device.open()
            tags = self._run(device, vectors, 0)
            assert launches(device.read_profile()) == expected_launches(tags, self.repeats)
            device.close()

    def test_nobody_else_uses_the_card(self, control: CardControl) -> None:
        assert all(process.pid > 0 for process in control.in_use_by_others())
