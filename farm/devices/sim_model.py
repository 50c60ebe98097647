"""How long the simulated card takes for a vector, without noise: the truth that tests may ask.

A reshard copies every tile of a sharded tensor from the core that has it to the core that wants
it.  Which part of the tensor travels between which two cores follows from the two grids and shard
strategies alone (`traffic`); the duration is that traffic against the limits of a network-on-chip
of two opposite tori, as on Tenstorrent Wormhole cards:

    duration = launch + set-up per reader and per source + flight over the longest route
             + tiles * (the slowest of: busiest link, source or reader; convoy of readers)
             + packets of the busiest core * (overhead + arbitration among readers)

An operation that a plug-in models (`SimModel`) takes as long as that says; any other is a roofline
of its features ``flops`` and ``bytes_moved``.

The constants were chosen so that straight lines through the model's durations resemble those
through durations measured on real cards: about 36 ns per tile where one core sends or receives
everything, 60 ns per core that reads from the same source, one tile per 64 ns on each link.

References
----------
S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for
multicore architectures", Communications of the ACM 52 (4), 2009: attainable performance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farm import plugins
from farm.errors import InvalidVectorError, OutOfMemoryError, UnsupportedVectorError
from sweeps.vector import Vector

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TILE_EDGE = 32
L1_TILES = 680
"""Tiles of bfloat16 that the input and output shards of one core may have together."""

LAUNCH_NS = 270.0
READER_SETUP_NS = 63.0
SOURCE_SETUP_NS = 6.0
HOP_NS = 4.0
TILE_AT_CORE_NS = 33.5
TILE_ON_LINK_NS = 31.0
TILE_IN_CONVOY_NS = 28.0
BUFFERED_TILES = 8.0
"""Transfers much shorter than this drain into the routers' buffers and form no convoy."""
PACKET_TILES = 4
PACKET_NS = 14.0
ARBITRATION_NS = 0.5
"""Added to each packet per further reader of the same source."""

ROOF_LAUNCH_NS = 650.0
PEAK_FLOP_PER_NS = 65_536.0
BANDWIDTH_BYTE_PER_NS = 288.0

COLUMN_ON_NOC = np.array([1, 2, 3, 4, 6, 7, 8, 9])
ROW_ON_NOC = np.array([1, 2, 3, 4, 5, 7, 8, 9])
_NOC_SHAPE = (12, 10)
"""Where the 8 x 8 worker cores sit among the nodes of the network: y, x."""

_RESHARD_AXES = (
    "input_grid",
    "output_grid",
    "input_strategy",
    "output_strategy",
    "dtype",
    "shape",
)
Grid = tuple[int, int]


class SimModel(Protocol):
    """What a plug-in knows of the operation that its entry is named after."""

    def check(self, params: Mapping[str, Any]) -> None:
        """Refuse what the card cannot run.

        Raises
        ------
        OpError
            Its subclass decides the status.
        """

    def durations_ns(self, params: Sequence[Mapping[str, Any]]) -> Floats:
        """Return true durations in ns of n vectors that pass `check`, shape (n,)."""


@cache
def _plugged_in(op: str) -> SimModel | None:
    if op not in plugins.names(plugins.SIM_MODELS):
        return None
    model: SimModel = plugins.load(plugins.SIM_MODELS, op)
    return model


class Traffic(NamedTuple):
    """How a reshard loads the card, whatever the tensor's shape.

    Attributes
    ----------
    ns_per_tile : float
        Time that the busiest link, source or reader needs per tile of the tensor.
    convoy_ns_per_tile : float
        Time per tile where readers wait for each other at every source.
    setup_ns : float
        Time that does not depend on the shape.
    packet_ns : float
        Time per packet of the busiest core.
    transfers : float
        Transfers that the busiest core takes part in.
    transfer_share : float
        Part of the tensor in the largest transfer.
    rows : float
        Tile rows that the busiest core sends or receives one by one, per tile row of the tensor;
        0 if each transfer is contiguous as a whole.
    run_width : float
        Longest stretch of a tile row that is contiguous on both sides, as part of the width.
    """

    ns_per_tile: float
    convoy_ns_per_tile: float
    setup_ns: float
    packet_ns: float
    transfers: float
    transfer_share: float
    rows: float
    run_width: float


def n_shards(grid: Grid, strategy: str) -> Grid:
    """Into how many parts a strategy splits the width and the height of a tensor.

    Raises
    ------
    InvalidVectorError
        If the strategy is unknown or the grid is not on the card.
    """
    x, y = grid
    if not (1 <= x <= len(COLUMN_ON_NOC) and 1 <= y <= len(ROW_ON_NOC)):
        raise InvalidVectorError(f"core grid {x}x{y} is not on a card of 8x8 worker cores")
    match strategy:
        case "BLOCK":
            return x, y
        case "WIDTH":
            return x * y, 1
        case "HEIGHT":
            return 1, x * y
        case _:
            pass
    raise InvalidVectorError(f"shard strategy {strategy!r} is not BLOCK, WIDTH or HEIGHT")


def _overlaps(n_in: int, n_out: int) -> Ints:
    """Measure the common part of each input and output interval in units of 1 / (n_in * n_out)."""
    inputs, outputs = np.arange(n_in)[:, None] * n_out, np.arange(n_out) * n_in
    common = np.minimum(inputs + n_out, outputs + n_in) - np.maximum(inputs, outputs)
    clipped: Ints = np.maximum(common, 0)
    return clipped


@lru_cache(maxsize=1 << 15)
def traffic(
    input_grid: Grid, output_grid: Grid, input_strategy: str, output_strategy: str
) -> Traffic:
    """Work out which parts of a tensor travel where.

    Raises
    ------
    InvalidVectorError
        If a strategy is unknown or a grid is not on the card.
    """
    (wide_in, high_in), (wide_out, high_out) = (
        n_shards(input_grid, input_strategy),
        n_shards(output_grid, output_strategy),
    )
    source, reader = np.arange(wide_in * high_in)[:, None], np.arange(wide_out * high_out)
    wide = _overlaps(wide_in, wide_out)[source % wide_in, reader % wide_out] / (wide_in * wide_out)
    high = _overlaps(high_in, high_out)[source // wide_in, reader // wide_out]
    rows = high / (high_in * high_out)
    share = wide * rows
    links, n_hops = _busiest_link(share, input_grid, output_grid)
    is_used = share > 0
    is_whole = (wide == 1 / wide_in) & (wide == 1 / wide_out)
    n_readers, n_sources = int(is_used.sum(axis=1).max()), int(is_used.sum(axis=0).max())
    used_rows = np.where(is_used & ~is_whole, rows, 0.0)
    at_core = max(_busiest(share))
    return Traffic(
        ns_per_tile=max(TILE_ON_LINK_NS * links, TILE_AT_CORE_NS * at_core),
        convoy_ns_per_tile=TILE_IN_CONVOY_NS * _convoy(share),
        setup_ns=LAUNCH_NS
        + READER_SETUP_NS * n_readers
        + SOURCE_SETUP_NS * n_sources
        + HOP_NS * n_hops,
        packet_ns=PACKET_NS + ARBITRATION_NS * (n_readers - 1),
        transfers=max(n_readers, n_sources),
        transfer_share=float(share.max()),
        rows=max(_busiest(used_rows)),
        run_width=float(wide[is_used].max()),
    )


def _busiest(load: Floats) -> tuple[float, float]:
    """Largest sums over a source's readers and over a reader's sources."""
    return float(load.sum(axis=1).max()), float(load.sum(axis=0).max())


def _busiest_link(share: Floats, input_grid: Grid, output_grid: Grid) -> tuple[float, int]:
    """Part of the tensor on the busiest link, and the hops of the longest route.

    Each reader takes half of its data over each network.  One routes east, then south; the other
    north, then west; both wrap around.
    """
    source, reader = np.nonzero(share)
    weight = share[source, reader]
    from_x, from_y = _places(source, input_grid)
    to_x, to_y = _places(reader, output_grid)
    n_rows, n_columns = _NOC_SHAPE
    busiest, longest = 0.0, 0
    for step, row_of_x, column_of_y in ((1, from_y, to_x), (-1, to_y, from_x)):
        hops_x = step * (to_x - from_x) % n_columns
        hops_y = step * (to_y - from_y) % n_rows
        on_rows, on_columns = np.zeros(_NOC_SHAPE), np.zeros(_NOC_SHAPE)
        for hop in range(int(hops_x.max())):
            passing = hops_x > hop
            x = (from_x + step * hop) % n_columns
            np.add.at(on_rows, (row_of_x[passing], x[passing]), weight[passing])
        for hop in range(int(hops_y.max())):
            passing = hops_y > hop
            y = (from_y + step * hop) % n_rows
            np.add.at(on_columns, (y[passing], column_of_y[passing]), weight[passing])
        busiest = max(busiest, float(on_rows.max()), float(on_columns.max()))
        longest = max(longest, int((hops_x + hops_y).max()))
    return busiest, longest


def _places(core: Ints, grid: Grid) -> tuple[Ints, Ints]:
    return COLUMN_ON_NOC[core % grid[0]], ROW_ON_NOC[core // grid[0]]


def _convoy(share: Floats) -> float:
    """Part of the tensor that passes one source at a time.

    Every reader visits its sources in the same order, so readers of the same sources queue up at
    the first of them while the others are idle.
    """
    source, reader = np.nonzero(share)
    visit = np.cumsum(share > 0, axis=0)[source, reader] - 1
    asked = np.zeros((int(visit.max()) + 1, share.shape[0]))
    np.add.at(asked, (visit, source), share[source, reader])
    return float(asked.max(axis=1).sum())


def check(vector: Vector, l1_tiles: int = L1_TILES) -> None:
    """Refuse what the simulated card cannot run.

    Parameters
    ----------
    vector : Vector
        What is to run.
    l1_tiles : int
        Tiles of bfloat16 that the L1 of a core holds.

    Raises
    ------
    OutOfMemoryError
        If the shards of one core are too large.
    InvalidVectorError
        If a reshard's parameters make no sense.
    UnsupportedVectorError
        If there is no model for the vector.
    """
    if vector.op != "reshard":
        model = _plugged_in(vector.op)
        if model is not None:
            model.check(vector.params)
        elif not ("flops" in vector.features or "bytes_moved" in vector.features):
            raise UnsupportedVectorError(
                f"the simulated card has no model of op {vector.op!r}: its sweep declares neither "
                "a feature flops nor a feature bytes_moved"
            )
        return
    _, wide, high, *key = _reshard_row(vector.params)
    n_tiles, n_in, n_out = wide * high, key[0][0] * key[0][1], key[1][0] * key[1][1]
    if n_tiles * (n_in + n_out) > l1_tiles * n_in * n_out:
        raise OutOfMemoryError(
            f"input shard of {n_tiles // n_in} tiles and output shard of {n_tiles // n_out} tiles "
            f"are more than the {l1_tiles} bfloat16 tiles that fit the L1 of one core"
        )


def _reshard_row(params: Mapping[str, Any]) -> tuple[Any, ...]:
    try:
        input_grid, output_grid, input_strategy, output_strategy, dtype, shape = (
            params[name] for name in _RESHARD_AXES
        )
    except KeyError as error:
        raise InvalidVectorError(f"a reshard needs the parameter {error}") from error
    if dtype != "BFLOAT16":
        raise UnsupportedVectorError(f"the simulated card reshards BFLOAT16 only, not {dtype!r}")
    (high, high_rest), (wide, wide_rest) = (divmod(edge, TILE_EDGE) for edge in shape[-2:])
    key = tuple(input_grid), tuple(output_grid), input_strategy, output_strategy
    wide_in, high_in = n_shards(key[0], input_strategy)
    wide_out, high_out = n_shards(key[1], output_strategy)
    if high_rest or wide_rest or wide < 1 or high < 1:
        raise InvalidVectorError(f"shape {shape} is not made of tiles of 32 x 32 elements")
    if wide % wide_in or wide % wide_out or high % high_in or high % high_out:
        raise InvalidVectorError(f"shape {shape} does not split into shards of whole tiles")
    return (traffic(*key), wide, high, *key)


def true_durations_ns(vectors: Sequence[Vector]) -> Floats:
    """Return the true duration of each vector in ns, shape (n,).

    Raises
    ------
    OpError
        If `check` refuses a vector for another reason than its size.
    """
    return _durations(
        [vector.op for vector in vectors],
        [vector.params for vector in vectors],
        [vector.features for vector in vectors],
    )


def true_duration_ns(op: str, params: Mapping[str, Any], features: Mapping[str, Any]) -> float:
    """Return the true duration of one vector in ns; equal to its element in `true_durations_ns`.

    Raises
    ------
    OpError
        If the simulated card has no model of the vector, or its parameters make no sense.
    """
    return float(_durations([op], [params], [features])[0])


def true_durations_of_table_ns(op: str, table: pa.Table) -> Floats:
    """Return true durations in ns, shape (n,), of a table of parameters and features.

    Raises
    ------
    OpError
        If the simulated card has no model of a vector, or its parameters make no sense.
    """
    rows = table.to_pylist()
    return _durations([op] * len(rows), rows, rows)


def _durations(
    ops: Sequence[str],
    params: Sequence[Mapping[str, Any]],
    features: Sequence[Mapping[str, Any]],
) -> Floats:
    durations = np.empty(len(ops))
    for op in set(ops):
        rows = [i for i, other in enumerate(ops) if other == op]
        if op == "reshard":
            durations[rows] = _reshard_ns([_reshard_row(params[i])[:3] for i in rows])
            continue
        for i in rows:
            check(Vector(i, b"", op, params[i], features[i]))
        model = _plugged_in(op)
        if model is not None:
            durations[rows] = model.durations_ns([params[i] for i in rows])
        else:
            durations[rows] = _roofline_ns([features[i] for i in rows])
    return durations


def _reshard_ns(rows: Sequence[tuple[Traffic, int, int]]) -> Floats:
    load = np.array([traffic for traffic, _, _ in rows]).T
    at_once, in_convoy, setup_ns, packet_ns, transfers, transfer_share, row_share, width = load
    wide, high = np.array([(wide, high) for _, wide, high in rows], np.float64).T
    tiles = wide * high
    # Rounded before ceil, so that a share such as 1/3 of 12 tiles is 4 tiles and not a bit more.
    packets_per_row = np.ceil(np.round(wide * width / PACKET_TILES, 6))
    packets_per_transfer = np.ceil(np.round(tiles * transfer_share / PACKET_TILES, 6))
    packets = np.where(
        row_share > 0, high * row_share * packets_per_row, transfers * packets_per_transfer
    )
    transfer_tiles = tiles * transfer_share
    convoy = in_convoy * transfer_tiles / (transfer_tiles + BUFFERED_TILES)
    moving: Floats = tiles * np.maximum(at_once, convoy) + packet_ns * packets
    total: Floats = setup_ns + moving
    return total


def _roofline_ns(features: Sequence[Mapping[str, Any]]) -> Floats:
    flops = np.array([own.get("flops", 0) for own in features], np.float64)
    n_bytes = np.array([own.get("bytes_moved", 0) for own in features], np.float64)
    bound: Floats = np.maximum(flops / PEAK_FLOP_PER_NS, n_bytes / BANDWIDTH_BYTE_PER_NS)
    return ROOF_LAUNCH_NS + bound
