"""A host with Tenstorrent cards, made of files and stand-ins: see tests/standins."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pyarrow as pa

from farm.devices import ttnn
from farm.devices.device import CardSlot
from farm.devices.ttnn import TtnnDevice
from farm.tt_metal.module import load_module
from farm.tt_metal.source import format_source
from sweeps.axis import Axis, Value
from sweeps.space import Feature, Sweep

STANDINS = Path(__file__).parent / "standins"
TREE = Path(__file__).parent / "tt_metal_tree"
TT_SMI = STANDINS / "bin" / "tt-smi"
Opened = Callable[..., TtnnDevice]
_ATTRIBUTES = {"tt_aiclk": "1000", "tt_arcclk": "540", "tt_card_type": "n150"}


class TtCards:
    """Cards of a host under a folder.

    Parameters
    ----------
    root : Path
        Empty folder that stands for the root of the file system.
    n_cards : int
        Cards of the host.
    pci_id : str
        What they are.
    """

    def __init__(self, root: Path, n_cards: int = 1, pci_id: str = "0x401e") -> None:
        self.root, self.nodes, self.state = root, root / "dev" / "tenstorrent", root / "state"
        self.resets, self._plan = root / "resets.log", root / "plan.json"
        for folder in (self.nodes, self.state, root / "sys" / "module" / "tenstorrent"):
            folder.mkdir(parents=True)
        (root / "sys" / "module" / "tenstorrent" / "version").write_text("2.3.0\n")
        for card in range(n_cards):
            (self.nodes / str(card)).touch()
            pci = root / "sys" / "devices" / f"0000:0{card + 1}:00.0"
            shown = root / "sys" / "class" / "tenstorrent" / f"tenstorrent!{card}"
            for folder in (pci, shown):
                folder.mkdir(parents=True)
            (pci / "device").write_text(f"{pci_id}\n")
            (shown / "device").symlink_to(pci)
            for name, text in {**_ATTRIBUTES, "tt_fw_bundle_ver": "18.5.0.0"}.items():
                (shown / name).write_text(f"{text}\n")
        self.plan_resets("heal")

    def plan_resets(self, *acts: str, style: str = "new") -> None:
        """Tell the stand-in for tt-smi what its resets do, one after the other."""
        plan = {"style": style, "resets": acts, "log": str(self.resets)}
        self._plan.write_text(json.dumps(plan))

    def is_dead(self, card: int) -> bool:
        return self._dead(card).exists()

    def kill(self, card: int) -> None:
        self._dead(card).touch()

    def _dead(self, card: int) -> Path:
        return self.state / f"card-{card}.dead"

    @property
    def options(self) -> dict[str, str]:
        """Device options that lead to these cards."""
        return {"host_root": str(self.root), "tt_smi": str(TT_SMI)}

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead the stand-ins to these cards."""
        return {
            "TTNN_STANDIN_DEV": str(self.nodes),
            "TTNN_STANDIN_STATE": str(self.state),
            "TT_SMI_STANDIN_PLAN": str(self._plan),
            "PYTHONPATH": str(STANDINS),
        }


@contextmanager
def standin_sdk(variables: Mapping[str, str]) -> Iterator[None]:
    """Have this process import the stand-in for TT-NN, anew, and forget it afterwards."""
    before, path = dict(os.environ), list(sys.path)
    os.environ.update(variables)
    sys.path.insert(0, str(STANDINS))
    _forget()
    try:
        yield
    finally:
        _forget()
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(before)


def _forget() -> None:
    load_module.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "ttnn"]:
        del sys.modules[name]


def module_sweep(name: str, root: Path = TREE, **values: Sequence[str]) -> Sweep:
    """Declare a sweep over some values of a sweep module."""
    return Sweep(
        name=name,
        op=name,
        axes=tuple(Axis.choice(axis, texts) for axis, texts in values.items()),
        features=(Feature("elements", lambda columns: 1),),
        size="elements",
        group_by=(),
        origin=format_source(root, name),
    )


def small_reshard(strategy: str, height: int, width: int) -> dict[str, Value]:
    """Parameters of ``data_movement.reshard.small_reshard``."""
    return {
        "strategy": f"ShardStrategy.{strategy}",
        "input_core_grid": "ttnn.CoreGrid(x=1, y=1)",
        "output_core_grid": "ttnn.CoreGrid(x=2, y=2)",
        "dtype": "DataType.BFLOAT16",
        "shape": f"[1,1,{height},{width}]",
    }


def write_module(root: Path, name: str, text: str) -> Sweep:
    """Write a sweep module whose one parameter is n."""
    file = root / "tests" / "sweep_framework" / "sweeps" / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    head = "import ttnn\n\nparameters = {'all': {'n': ['a', 'b', 'c']}}\n"
    file.write_text(head + dedent(text))
    return module_sweep(name, root, n=["a", "b", "c"])


def durations(records: pa.Table, tag: int) -> list[float]:
    rows = zip(
        *(records[name].to_pylist() for name in ("tag", "repeat", "duration_ns")), strict=True
    )
    return [duration_ns for own, _, duration_ns in sorted(rows) if own == tag]


def probe_is_healthy(device: TtnnDevice, cards: TtCards) -> bool:
    control = ttnn.KIND.control(CardSlot("ttnn", 0, cards.options))
    for tag, vector in enumerate(control.probe_vectors()):
        device.execute(vector, 3, tag)
    return control.probe_is_healthy(device.read_profile())
