"""Operations of a workload: what they compute, and what they move between memory and chip.

Traffic depends on how much the chip holds.  Every op is counted in the two-level model: a fast
memory of `cache_bytes` (the chip's L2), and a slow one behind it.  Where the operands fit, each is
read once and the result is written once; where they do not, the best known blocking is counted.

=========== ===================================================================================
op          source of the counts
=========== ===================================================================================
Gemm        block of one operand held, the others streamed: Hong and Kung, "I/O complexity: the
            red-blue pebble game", STOC 1981; the constant of Smith et al., "A tight I/O lower
            bound for matrix multiplication", arXiv:1702.02017
Attention   naive: Dao et al., "FlashAttention", NeurIPS 2022, algorithm 0: scores and
            probabilities are written and read.  flash: Dao, "FlashAttention-2", ICLR 2024,
            algorithm 1: blocks of query rows are held, keys and values streamed past them;
            operations as in its section 4: those of the two products, none for the softmax
ElementWise compulsory
Reduction   compulsory
=========== ===================================================================================
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np

from analysis.soc.chip.formulas import Number
from analysis.soc.chip.precision import Precision
from analysis.soc.chip.quantities import Plausible, check_quantities, counted
from analysis.soc.errors import ConfigError


class AttentionAlgorithm(StrEnum):
    """How attention is computed."""

    NAIVE = "naive"
    FLASH = "flash"


def _extent(what: str) -> Any:
    return field(metadata={"plausible": Plausible(what, 1, 1e12, is_count=True)})


@dataclass(frozen=True, kw_only=True)
class Op(ABC):
    """What all operations have.

    Attributes
    ----------
    name : str
        What tables call it.
    count : int
        How often the workload runs it.
    precision : Precision
        In which it computes, and of its operands unless said otherwise.
    """

    kind: ClassVar[str]
    name: str = ""
    count: int = counted(1, "repetitions", 1, 10**12)
    precision: Precision = Precision.BF16

    def __post_init__(self) -> None:
        check_quantities(self)

    @property
    def label(self) -> str:
        """Its name, or what it is."""
        return self.name or f"{self.kind} {self.shape}"

    @property
    @abstractmethod
    def shape(self) -> str:
        """Its extents as text."""

    @property
    @abstractmethod
    def flops(self) -> float:
        """Operations of one run; a multiply-add counts as two."""

    @abstractmethod
    def bytes_moved(self, cache_bytes: float) -> float:
        """Traffic of one run between the memory and a chip that holds `cache_bytes`."""


@dataclass(frozen=True, kw_only=True)
class Gemm(Op):
    """Matrix product C[m, n] = A[m, k] @ B[k, n], `batch` times.

    Attributes
    ----------
    m, n, k : int
        Extents.
    batch : int
        Independent products.
    weight_precision, output_precision : Precision or None
        Of B and of C in memory, where they differ from `precision`.
    """

    kind: ClassVar[str] = "gemm"
    m: int = _extent("rows")
    n: int = _extent("columns")
    k: int = _extent("terms")
    batch: int = counted(1, "products", 1, 10**9)
    weight_precision: Precision | None = None
    output_precision: Precision | None = None

    @property
    def shape(self) -> str:
        """``m x n x k``."""
        batch = f"{self.batch} x " if self.batch > 1 else ""
        return f"{batch}{self.m}x{self.n}x{self.k}"

    @property
    def flops(self) -> float:
        """2 m n k for each product."""
        return float(gemm_flops(self.m, self.n, self.k)) * self.batch

    def bytes_moved(self, cache_bytes: float) -> float:
        """Traffic of the best of three blockings: with a block of A, of B or of C held."""
        m, n, k = self.m, self.n, self.k
        a_size = self.precision.n_bytes
        b_size = (self.weight_precision or self.precision).n_bytes
        c_size = (self.output_precision or self.precision).n_bytes
        a_bytes, b_bytes, c_bytes = m * k * a_size, k * n * b_size, m * n * c_size
        of_c = _blocks(m, n, cache_bytes / c_size)
        of_a = _blocks(m, k, cache_bytes / a_size)
        of_b = _blocks(k, n, cache_bytes / b_size)
        # Partial sums are written once per block of k, and read again by all but the first.
        traffic = min(
            a_bytes * of_c[1] + b_bytes * of_c[0] + c_bytes,
            a_bytes + b_bytes * of_a[0] + c_bytes * (2 * of_a[1] - 1),
            a_bytes * of_b[1] + b_bytes + c_bytes * (2 * of_b[0] - 1),
        )
        return traffic * self.batch


def gemm_flops(m: Number, n: Number, k: Number) -> Number:
    """Count one multiplication and one addition per term: 2 m n k; numbers or arrays."""
    return 2.0 * m * n * k


def gemm_compulsory_bytes(
    m: Number, n: Number, k: Number, *, a_size: float, b_size: float, c_size: float
) -> Number:
    """Count A and B once, and C once; numbers or arrays, sizes in bytes per element."""
    return m * k * a_size + k * n * b_size + m * n * c_size


def _blocks(n_rows: int, n_columns: int, capacity: float) -> tuple[int, int]:
    """Cut a matrix into near-square blocks of at most `capacity` elements: how many each way."""
    n_held = int(max(1, min(capacity, n_rows * n_columns)))
    edge = math.isqrt(n_held)
    if n_rows <= edge:
        return 1, math.ceil(n_columns / (n_held // n_rows))
    if n_columns <= edge:
        return math.ceil(n_rows / (n_held // n_columns)), 1
    return math.ceil(n_rows / edge), math.ceil(n_columns / edge)


@dataclass(frozen=True, kw_only=True)
class Attention(Op):
    """Softmax(Q Kᵀ) V for `batch` sequences of `n_heads` heads.

    Attributes
    ----------
    algorithm : AttentionAlgorithm
        ``flash`` or ``naive``.
    batch, n_heads : int
        Sequences; query heads of each.
    n_kv_heads : int or None
        Heads of keys and values, each shared by as many query heads; by default `n_heads`.
    seq_q, seq_kv : int, int or None
        Queries; keys and values, as many as queries by default.
    head_dim : int
        Width of a head.
    is_causal : bool
        Whether a query sees no later key; the last query sees all.  Flash skips what is masked,
        naive computes it.
    """

    kind: ClassVar[str] = "attention"
    algorithm: AttentionAlgorithm = AttentionAlgorithm.FLASH
    batch: int = counted(1, "sequences", 1, 10**9)
    n_heads: int = _extent("heads")
    n_kv_heads: int | None = None
    seq_q: int = _extent("queries")
    seq_kv: int | None = None
    head_dim: int = _extent("elements per head")
    is_causal: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, default in (("n_kv_heads", self.n_heads), ("seq_kv", self.seq_q)):
            given = getattr(self, name)
            checked = Plausible("elements", 1, 1e12, is_count=True).checked(
                f"Attention.{name}", default if given is None else given
            )
            object.__setattr__(self, name, checked)
        if self.n_heads % self._kv_heads:
            raise ConfigError(
                f"Attention.n_heads = {self.n_heads} is not a multiple of n_kv_heads = "
                f"{self._kv_heads}: each head of keys must serve as many query heads"
            )
        if self.is_causal and self.seq_q > self._keys:
            raise ConfigError(
                f"Attention.seq_q = {self.seq_q} is more than seq_kv = {self._keys}: in causal "
                f"attention the first queries would see no key"
            )

    @property
    def _keys(self) -> int:
        return self.seq_kv or self.seq_q

    @property
    def _kv_heads(self) -> int:
        return self.n_kv_heads or self.n_heads

    @property
    def shape(self) -> str:
        """Sequences x heads x queries x keys x width."""
        return f"{self.batch}x{self.n_heads}x{self.seq_q}x{self._keys}x{self.head_dim}"

    @property
    def n_scores(self) -> int:
        """Pairs of query and key that one head computes."""
        n_pairs = self.seq_q * self._keys
        if self.is_causal and self.algorithm is AttentionAlgorithm.FLASH:
            n_pairs -= self.seq_q * (self.seq_q - 1) // 2
        return n_pairs

    @property
    def flops(self) -> float:
        """4 x scores x width for each head: the two products."""
        return 4.0 * self.batch * self.n_heads * self.n_scores * self.head_dim

    def bytes_moved(self, cache_bytes: float) -> float:
        """Traffic of one run; only flash depends on `cache_bytes`."""
        size = self.precision.n_bytes
        queries_and_outputs = 2.0 * self.n_heads * self.seq_q * self.head_dim
        if self.algorithm is AttentionAlgorithm.NAIVE:
            n_keys_read = float(self._keys)
            scores = 4.0 * self.n_heads * self.seq_q * self._keys
        else:
            n_keys_read, scores = self._n_keys_streamed(cache_bytes / size), 0.0
        keys_and_values = 2.0 * self._kv_heads * n_keys_read * self.head_dim
        return self.batch * (queries_and_outputs + keys_and_values + scores) * size

    def _n_keys_streamed(self, capacity: float) -> float:
        """Keys that one head of keys sends past the blocks of query rows that share it."""
        n_sharing = self.n_heads // self._kv_heads
        n_rows = self.seq_q * n_sharing
        # A block of queries, its output, and a block of keys and of values are held.
        rows_per_block = int(max(1, min(capacity / (4 * self.head_dim), n_rows)))
        n_blocks = math.ceil(n_rows / rows_per_block)
        if not self.is_causal:
            return float(n_blocks) * self._keys
        # Blocks of equal height: each streams the keys up to that of its last query.
        ends = np.ceil(np.arange(1, n_blocks + 1) * (n_rows / n_blocks))
        last_queries = np.minimum(np.ceil(ends / n_sharing), self.seq_q)
        return float(np.sum(self._keys - self.seq_q + last_queries))


@dataclass(frozen=True, kw_only=True)
class ElementWise(Op):
    """A function of each element on its own.

    Attributes
    ----------
    n_elements : int
        Elements of each input and output.
    n_inputs, n_outputs : int
        Tensors read and written.
    flops_per_element : float
        Operations for each element.
    """

    kind: ClassVar[str] = "elementwise"
    n_elements: int = _extent("elements")
    n_inputs: int = counted(1, "tensors", 0, 1024)
    n_outputs: int = counted(1, "tensors", 1, 1024)
    flops_per_element: float = field(
        default=1.0, metadata={"plausible": Plausible("operations", 0.0, 1e6)}
    )

    @property
    def shape(self) -> str:
        """Elements."""
        return f"{self.n_elements}"

    @property
    def flops(self) -> float:
        """Elements x operations for each."""
        return self.n_elements * self.flops_per_element

    def bytes_moved(self, cache_bytes: float) -> float:
        """Traffic of every tensor once, whatever the chip holds."""
        del cache_bytes
        return (self.n_inputs + self.n_outputs) * self.n_elements * self.precision.n_bytes


@dataclass(frozen=True, kw_only=True)
class Reduction(Op):
    """Sum (or maximum ...) along the columns of a matrix: one result for each row.

    Attributes
    ----------
    n_rows, n_columns : int
        Extents of the input.
    """

    kind: ClassVar[str] = "reduction"
    n_rows: int = _extent("rows")
    n_columns: int = _extent("columns")

    @property
    def shape(self) -> str:
        """Rows x columns."""
        return f"{self.n_rows}x{self.n_columns}"

    @property
    def flops(self) -> float:
        """One operation less than there are columns, for each row."""
        return float(self.n_rows) * (self.n_columns - 1)

    def bytes_moved(self, cache_bytes: float) -> float:
        """Traffic of the input and of the results, whatever the chip holds."""
        del cache_bytes
        return float(self.n_rows) * (self.n_columns + 1) * self.precision.n_bytes


OPS: dict[str, type[Op]] = {kind.kind: kind for kind in (Gemm, Attention, ElementWise, Reduction)}
"""Kinds of operations by the name that a workload file uses."""
