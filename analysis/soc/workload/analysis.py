"""A workload on a chip: where time and energy go, and what more of each resource would give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analysis.soc.workload.machine import RESOURCES, Machine, OpTime
from analysis.soc.workload.ops import Op
from analysis.soc.workload.workload import Workload

MORE = 1.1
"""How much more of a resource a step is."""

NAMES = {
    "compute": "compute",
    "memory": "memory bandwidth",
    "cache": "the last-level cache",
    "overhead": "launch overhead",
}
"""What binds, in words."""
MORE_OF = {**NAMES, "cache": "cache", "overhead": "launches per second"}
"""What there could be more of, in words."""

_ENOUGH = 1e9
_MOST_MORE = 16.0
_STEPS_PER_DOUBLING = 32
_NOTHING = 5e-4


@dataclass(frozen=True)
class OpShare:
    """One op of a workload, over all its runs.

    Attributes
    ----------
    op : Op
        Which.
    spent : OpTime
        One run.
    time_s : float
        All runs.
    energy_j : float or None
        All runs; None where the chip's power is not known.
    """

    op: Op
    spent: OpTime
    time_s: float
    energy_j: float | None

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, flop/byte."""
        return self.spent.flops / self.spent.n_bytes


@dataclass(frozen=True)
class WhatIf:
    """What more of one resource would give.

    Attributes
    ----------
    resource : str
        One of `RESOURCES`.
    gain : float
        Speed-up of the workload with `MORE` times as much, minus 1.
    limit : float
        Speed-up with as much as one likes.
    enough : float or None
        How many times as much makes another resource bind longer; None if none ever does.
    """

    resource: str
    gain: float
    limit: float
    enough: float | None


@dataclass(frozen=True)
class WorkloadAnalysis:
    """A workload on a machine.

    Attributes
    ----------
    workload : Workload
        What runs.
    machine : Machine
        On what.
    """

    workload: Workload
    machine: Machine

    @cached_property
    def shares(self) -> tuple[OpShare, ...]:
        """One entry per op, in order."""
        return tuple(self._share(op) for op in self.workload.ops)

    def _share(self, op: Op) -> OpShare:
        spent = self.machine.time(op)
        power_w = self.machine.power_w(op, spent)
        time_s = spent.time_s * op.count
        return OpShare(op, spent, time_s, None if power_w is None else power_w * time_s)

    @property
    def time_s(self) -> float:
        """Time of the whole workload; ops run one after the other."""
        return math.fsum(share.time_s for share in self.shares)

    @property
    def energy_j(self) -> float | None:
        """Energy of the whole workload; None where the chip's power is not known."""
        energies = [share.energy_j for share in self.shares]
        known = [energy for energy in energies if energy is not None]
        return math.fsum(known) if len(known) == len(energies) else None

    @property
    def flops(self) -> float:
        """Operations of the whole workload."""
        return math.fsum(share.spent.flops * share.op.count for share in self.shares)

    @property
    def n_bytes(self) -> float:
        """Traffic of the whole workload."""
        return math.fsum(share.spent.n_bytes * share.op.count for share in self.shares)

    @cached_property
    def bound_shares(self) -> Mapping[str, float]:
        """Share of the time in which compute, memory or launch overhead binds."""
        return _bound_shares(self.workload, self.machine)

    @cached_property
    def what_if(self) -> tuple[WhatIf, ...]:
        """What more of each resource would give, the best first."""
        found = [self._what_if(resource) for resource in RESOURCES]
        return tuple(sorted(found, key=lambda w: (-w.gain, -w.limit)))

    def _what_if(self, resource: str) -> WhatIf:
        def speedup(factor: float) -> float:
            machine = self.machine.with_more(resource, factor)
            return self.time_s / _time_s(self.workload, machine)

        return WhatIf(resource, speedup(MORE) - 1, speedup(_ENOUGH), self._enough(resource))

    def _enough(self, resource: str) -> float | None:
        """Find where the resource, if it binds longest now, no longer does."""
        shares = self.bound_shares
        if resource not in shares or max(shares, key=lambda name: shares[name]) != resource:
            return None
        for step in range(1, int(math.log2(_MOST_MORE) * _STEPS_PER_DOUBLING) + 1):
            factor = 2 ** (step / _STEPS_PER_DOUBLING)
            there = _bound_shares(self.workload, self.machine.with_more(resource, factor))
            if max(there.values()) > there[resource]:
                return factor
        return None

    def words(self) -> list[str]:
        """Say what binds, what more of each resource would give, and what to change first."""
        return [self._what_binds(), self._what_helps(), self._what_first()]

    def _what_binds(self) -> str:
        parts: list[str] = []
        for name, part in sorted(self.bound_shares.items(), key=lambda item: -item[1]):
            if part >= _NOTHING:
                of_time = " of the time" if not parts else ""
                parts.append(f"{NAMES[name]} {_percent(part)}{of_time}{self._examples(name)}")
        return f"What binds: {'; '.join(parts)}."

    def _examples(self, bound: str) -> str:
        mine = [share for share in self.shares if share.spent.bound == bound]
        mine.sort(key=lambda share: -share.time_s)
        names = list(dict.fromkeys(share.op.label for share in mine))[:3]
        return f" ({', '.join(names)})" if names else ""

    def _what_helps(self) -> str:
        gains = [
            f"{MORE_OF[w.resource]} "
            + (f"{_percent(w.gain)} faster" if w.gain >= _NOTHING else "nothing")
            for w in self.what_if
        ]
        return f"10 % more: {'; '.join(gains)}."

    def _what_first(self) -> str:
        best = self.what_if[0]
        text = f"Change first: {NAMES[best.resource]} ({_HOW[best.resource]})."
        if best.enough is not None:
            machine = self.machine.with_more(best.resource, best.enough)
            shares = _bound_shares(self.workload, machine)
            other = max(shares, key=lambda name: shares[name])
            amount = f" ({machine.bandwidth_gb_s:,.0f} GB/s)" if best.resource == "memory" else ""
            text += (
                f" From about {best.enough:.2g} times as much{amount} on, {NAMES[other]} binds "
                f"longer."
            )
        if best.limit < 1 / _NOTHING:
            text += f" Alone it cannot make the workload more than {best.limit:.2g} times as fast."
        return text

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "workload": self.workload.name,
            "chip": self.machine.processor.name,
            "time_s": self.time_s,
            "energy_j": self.energy_j,
            "flops": self.flops,
            "bytes_moved": self.n_bytes,
            "intensity": self.flops / self.n_bytes,
            "bound_shares": dict(self.bound_shares),
            "what_if": [
                {
                    "resource": w.resource,
                    "factor": MORE,
                    "gain": w.gain,
                    "limit": w.limit,
                    "enough": w.enough,
                }
                for w in self.what_if
            ],
            "words": self.words(),
            "ops": [_op_json(share) for share in self.shares],
        }


def _op_json(share: OpShare) -> dict[str, Any]:
    spent = share.spent
    return {
        "name": share.op.label,
        "op": share.op.kind,
        "precision": share.op.precision,
        "count": share.op.count,
        "flops": spent.flops,
        "bytes_moved": spent.n_bytes,
        "intensity": share.intensity,
        "compute_s": spent.compute_s,
        "memory_s": spent.memory_s,
        "overhead_s": spent.overhead_s,
        "time_s": share.time_s,
        "energy_j": share.energy_j,
        "bound": spent.bound,
    }


def _time_s(workload: Workload, machine: Machine) -> float:
    return math.fsum(machine.time(op).time_s * op.count for op in workload.ops)


def _bound_shares(workload: Workload, machine: Machine) -> dict[str, float]:
    spent_s = dict.fromkeys(("compute", "memory", "overhead"), 0.0)
    for op in workload.ops:
        spent = machine.time(op)
        binding = "compute" if spent.compute_s >= spent.memory_s else "memory"
        spent_s[binding] += max(spent.compute_s, spent.memory_s) * op.count
        spent_s["overhead"] += spent.overhead_s * op.count
    total_s = math.fsum(spent_s.values())
    return {name: time_s / total_s for name, time_s in spent_s.items()}


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


_HOW = {
    "compute": "more SMs or tensor cores, a higher clock, or a narrower precision",
    "memory": "more or faster memory stacks, or fewer bytes: a narrower format, fused operations",
    "cache": "more of it keeps operands on the chip that are read again",
    "overhead": "fused operations, or launching them as one graph",
}
