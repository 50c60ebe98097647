"""The ``ttnn`` device kind: Tenstorrent cards, by unmodified sweep modules of tt-metal.

How a vector is measured: its module's ``run`` is called once or more to warm up, which compiles the
kernels and has as long as the sweep's timeout allows, then once per repeat, with random state
seeded alike before each call.  The card is waited for after each call, so that a hang is this
vector's.  The device profiler tells the durations, see `farm.devices.ttnn_log`.  What one repeat is
depends on the option ``launches``:

``sum``
    one call of ``run``: the kernel durations of all programs that it launches, summed
``each``
    one launch: for modules that launch the same program again and again in one call

TT-NN itself is called in `farm.devices.ttnn_sdk` only.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from farm.devices import ttnn_environment, ttnn_probe, ttnn_sdk
from farm.devices.device import CardControl, CardSlot, Device, DeviceInfo
from farm.devices.registry import check_options
from farm.devices.tt_smi import TtControl, reset_options
from farm.devices.ttnn_failures import failure_of
from farm.devices.ttnn_log import LaunchLog, MeasuredRuns
from farm.devices.ttnn_options import EACH, OPTION_HELP, SUM, TtnnOptions
from farm.errors import CardError, OpError, OpFailedError, UnsupportedVectorError, UsageError
from farm.tt_metal.fixture import Fixture, opened
from farm.tt_metal.module import TtMetalModule, load_source
from farm.tt_metal.source import PREFIX
from sweeps.space import Sweep
from sweeps.vector import Vector


@dataclass(frozen=True)
class _WarmUp:
    """A vector's run after its warm-up, which launched so many programs from the id `begin` on."""

    run: Callable[[], None]
    begin: int
    n_launches: int


class TtnnDevice:
    """One Tenstorrent card, open in this process."""

    def __init__(self, slot: CardSlot, sweep: Sweep) -> None:
        self._slot, self._options = slot, TtnnOptions.parse(slot.options)
        self._module: TtMetalModule | None = load_source(sweep.origin) if sweep.origin else None
        self._refusal = "" if self._module else f"{sweep.name} is no sweep module of tt-metal"
        self._warmed: _WarmUp | None = None
        self._handle: Any = None
        self._log: LaunchLog | None = None
        self._label = ""
        self._arch = self._version = ""
        self._open = ExitStack()

    @property
    def info(self) -> DeviceInfo:
        """What the card is."""
        host, card = self._options.host, self._slot.index
        commit = ttnn_sdk.checkout_commit(self._module.root) if self._module else ""
        software = {
            "ttnn": self._version,
            "tt-metal commit": commit,
            "python": platform.python_version(),
        }
        details = {
            "board": host.board(card),
            "bus": host.bus(card),
            "module": self._module.name if self._module else "",
            "fixture": self._label,
            "warmups": str(self._options.n_warmups),
            "launches": self._options.launches,
        }
        return DeviceInfo(
            card=self._slot.card,
            kind=self._slot.kind,
            arch=self._arch,
            firmware=host.firmware(card),
            driver=host.driver(),
            clocks_hz=host.clocks_hz(card),
            software={name: text for name, text in software.items() if text},
            details={name: text for name, text in details.items() if text},
            profiler_capacity=ttnn_environment.profiler_capacity(),
        )

    def open(self) -> None:
        """Open the card, by the module's fixture where it has one.

        Raises
        ------
        CardError
            If it does not open, or the environment was not prepared.
        """
        if self._log is not None:
            raise CardError(f"{self._slot.card} is open already")
        path = ttnn_environment.log_path(self._slot.index)
        with ExitStack() as stack:
            handle = self._opened(stack)
            self._require_own_card()
            self._arch, self._version = ttnn_sdk.arch(handle), ttnn_sdk.version()
            log = LaunchLog(
                path,
                ttnn_sdk.launch_counter,
                partial(_drain, handle),
                ttnn_environment.profiler_capacity(),
            )
            self._open = stack.pop_all()
        self._handle, self._log = handle, log

    def _require_own_card(self) -> None:
        """Check that it is this card that was opened: how cards are hidden is the SDK's affair."""
        found = self._options.host.opened_here()
        if found and self._slot.index not in found:
            raise CardError(
                f"TT-NN opened card {', '.join(map(str, found))} and not {self._slot.index}: this "
                f"release heeds neither TT_VISIBLE_DEVICES nor TT_METAL_VISIBLE_DEVICES as expected"
            )

    def _opened(self, stack: ExitStack) -> Any:
        fixture = self._module.fixture if self._module else None
        if fixture is not None:
            with ExitStack() as attempt:
                handle = self._opened_by(fixture, attempt)
                if handle is not None:
                    stack.push(attempt.pop_all())
                    return handle
        # A card whose vectors cannot run here is healthy nevertheless, and probed.
        handle = ttnn_sdk.open_device(self._options.l1_small_bytes)
        stack.callback(ttnn_sdk.close_device, handle)
        return handle

    def _opened_by(self, fixture: Fixture, attempt: ExitStack) -> Any:
        """Open by the module's fixture, or say in `_refusal` why that does not serve."""
        try:
            handle, self._label = attempt.enter_context(opened(fixture))
        except UnsupportedVectorError as error:
            self._refusal = str(error)
            return None
        if handle is None:
            self._refusal = "its mesh_device_fixture leaves it to run to open a device"
            return None
        n_chips = ttnn_sdk.n_chips(handle)
        if n_chips > 1:
            self._refusal = f"its mesh_device_fixture opens {n_chips} chips; a card here is one"
            return None
        return handle

    def warm_up(self, vector: Vector) -> None:
        """Run a vector unmeasured, which compiles its kernels; `execute` comes next.

        Raises
        ------
        OpError
            If the vector cannot be run here.
        CardError
            If the card is not open, or fails.
        ChangedSweepError
            If the module has no such vector.
        """
        self._warmed = None
        self._warmed = self._warmed_up(vector)

    def _warmed_up(self, vector: Vector) -> _WarmUp:
        log, run = self._opened_log(), self._run_of(vector)
        begin = ttnn_sdk.launch_counter()
        return _WarmUp(run, begin, sum(log.run(run) for _ in range(self._options.n_warmups)))

    def execute(self, vector: Vector, repeats: int, tag: int) -> None:
        """Run a vector `repeats` times; its launches carry `tag`.

        Raises
        ------
        OpError
            If the vector cannot be run or measured here.
        CardError
            If the card is not open, or fails.
        ChangedSweepError
            If the module has no such vector.
        """
        log = self._opened_log()
        warmed, self._warmed = self._warmed or self._warmed_up(vector), None
        launches = SUM if vector.op == ttnn_probe.OP else self._options.launches
        log.add(self._measured(log, warmed, repeats, tag, launches))

    def _run_of(self, vector: Vector) -> Callable[[], None]:
        if vector.op == ttnn_probe.OP:
            return partial(self._probe, vector)
        if self._refusal or self._module is None:
            raise UnsupportedVectorError(self._refusal)
        arguments = self._module.arguments(vector.params, vector.suite)
        return partial(self._call, self._module, vector, arguments)

    def _opened_log(self) -> LaunchLog:
        if self._log is None:
            raise CardError(f"{self._slot.card} is not open")
        return self._log

    def _measured(
        self, log: LaunchLog, warmed: _WarmUp, repeats: int, tag: int, launches: str
    ) -> MeasuredRuns:
        n_warmups, n_warm, begin = self._options.n_warmups, warmed.n_launches, warmed.begin
        counts: list[int] = []
        while (sum(counts) if launches == EACH else len(counts)) < repeats:
            counts.append(log.run(warmed.run))
            if not counts[-1]:
                raise UnsupportedVectorError("its run launches no program: there is no device time")
        n_launches = sum(counts)
        stop = begin + n_warm + n_launches
        if launches == EACH:
            return MeasuredRuns(tag, begin, stop, n_launches, n_warm, repeats)
        if len(set(counts)) > 1:
            raise OpFailedError(f"its runs launch different numbers of programs: {counts}")
        # A warm-up that launches what the others do shows whether a core is missing in all of them.
        if n_warm == n_warmups * counts[0]:
            return MeasuredRuns(tag, begin, stop, repeats, n_warmups, repeats)
        return MeasuredRuns(tag, begin + n_warm, stop, repeats, 0, repeats)

    def _call(self, module: TtMetalModule, vector: Vector, arguments: Mapping[str, object]) -> None:
        failure: str | None = None
        try:
            result = module.call(arguments, self._handle)
            ttnn_sdk.synchronize(self._handle)
            if not result.passed:
                failure = result.message
        except (OpError, CardError):
            raise
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        if failure is not None:
            # Raised here, where the traceback that holds the run's tensors is gone.
            raise failure_of(failure, vector.suite)
        if module.skips_device_perf:
            raise UnsupportedVectorError("the module asks not to be profiled (_SKIP_DEVICE_PERF)")

    def _probe(self, vector: Vector) -> None:
        shape = vector.params["shape"]
        if not isinstance(shape, tuple):
            raise CardError(f"the probe has the shape {shape!r}")
        found = ttnn_sdk.add_ones(self._handle, shape)
        if found != ttnn_probe.EXPECTED:
            raise CardError(f"the probe computes {found}, not {ttnn_probe.EXPECTED}")

    def read_profile(self) -> pa.Table:
        """Drain the profiler: the launches since the last read.

        Raises
        ------
        CardError
            If the card is not open, or there is no readable log.
        """
        return self.dump_profile()()

    def dump_profile(self) -> Callable[[], pa.Table]:
        """Drain the profiler now, and leave reading its log to the function that is returned.

        Raises
        ------
        CardError
            If the card is not open, or the profiler cannot be drained.
        """
        return self._opened_log().end_batch()

    def close(self) -> None:
        """Let go of the card; what was not read is lost.  May be called twice."""
        log, self._log, self._handle = self._log, None, None
        try:
            self._open.close()
        finally:
            if log is not None:
                log.close()


def _drain(handle: Any) -> None:
    ttnn_sdk.synchronize(handle)
    ttnn_sdk.dump_profiler(handle)


class TtnnKind:
    """Registry entry of Tenstorrent cards."""

    name = "ttnn"
    is_simulated = False
    option_help = OPTION_HELP

    def discover(self, amount: int | None, options: Mapping[str, str]) -> list[CardSlot]:
        """Find the cards of this host, or the first `amount` of them.

        Raises
        ------
        UsageError
            If an option is unknown or malformed, or there are fewer cards than asked for.
        """
        check_options(self, options)
        parsed = TtnnOptions.parse(options)
        there = parsed.host.cards()
        if not there:
            raise UsageError(
                f"there is no Tenstorrent card: {parsed.host.nodes} has no device node (is the "
                f"kernel driver tt-kmd loaded?)"
            )
        wanted = list(parsed.cards or there)
        absent = sorted(set(wanted) - set(there))
        if absent:
            raise UsageError(
                f"device option cards={options['cards']!r}: there is no card "
                f"{', '.join(map(str, absent))}; this host has {', '.join(map(str, there))}"
            )
        if amount is not None and amount > len(wanted):
            raise UsageError(
                f"ttnn:{amount}: {len(wanted)} card(s) can be used: {', '.join(map(str, wanted))}"
            )
        checked = reset_options(options, len(there))
        return [CardSlot(self.name, card, checked) for card in wanted[:amount]]

    def settled(self, slot: CardSlot) -> Mapping[str, str]:
        """Return what stays the same within a sweep directory: what a repeat is."""
        return {"launches": TtnnOptions.parse(slot.options).launches}

    def require_runnable(self, sweep: Sweep) -> None:
        """Check that a sweep is a sweep module of tt-metal.

        Raises
        ------
        UsageError
            If it is not.
        """
        if not sweep.origin.startswith(PREFIX):
            raise UsageError(
                f"--device {self.name} runs sweep modules of tt-metal, and {sweep.name} is none: "
                f"name one by --tt-metal-root PATH --module NAME, or run {sweep.name} on another "
                f"device, see farm devices"
            )

    def prepare(self, slot: CardSlot) -> None:
        """Set the environment that TT-NN reads when it is imported.

        Raises
        ------
        CardError
            If there is no place for the profiler's log.
        """
        host = TtnnOptions.parse(slot.options).host
        ttnn_environment.prepare(slot.index, host.arch(slot.index))

    def device(self, slot: CardSlot, sweep: Sweep) -> Device:
        """Make the device object of a slot."""
        return TtnnDevice(slot, sweep)

    def control(self, slot: CardSlot) -> CardControl:
        """Make the card control of a slot."""
        host = TtnnOptions.parse(slot.options).host
        return TtControl(host, slot.index, slot.options)

    def missing(self) -> str | None:
        """Say what this host lacks to use the kind, or None."""
        return ttnn_sdk.missing()


KIND = TtnnKind()
