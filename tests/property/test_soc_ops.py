"""Traffic of operations: limits, and what more cache may do."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from analysis.soc.chip.precision import Precision
from analysis.soc.workload.ops import Attention, AttentionAlgorithm, Gemm, gemm_compulsory_bytes

extents = st.integers(1, 3000)
caches = st.floats(0, 1e8)


@given(m=extents, n=extents, k=extents, small=caches, more=caches)
def test_traffic_of_a_product(m: int, n: int, k: int, small: float, more: float) -> None:
    op = Gemm(m=m, n=n, k=k, precision=Precision.INT8)
    compulsory = gemm_compulsory_bytes(m, n, k, a_size=1, b_size=1, c_size=1)
    assert op.bytes_moved(math.inf) == compulsory
    assert op.bytes_moved(small + more) <= op.bytes_moved(small)
    # Smith et al. 2019: no order of the operations moves less.
    elements = int(small)
    if elements:
        assert op.bytes_moved(small) >= 2 * m * n * k / math.sqrt(elements) - 2 * elements
    if elements >= max(m * n, m * k, k * n):
        assert op.bytes_moved(small) == compulsory


@given(
    queries=st.integers(1, 500),
    more_keys=st.integers(0, 500),
    kv_heads=st.integers(1, 4),
    sharing=st.integers(1, 4),
    width=st.integers(1, 128),
    is_causal=st.booleans(),
    small=st.floats(0, 1e6),
    more=st.floats(0, 1e6),
)
def test_traffic_of_attention(
    queries: int,
    more_keys: int,
    kv_heads: int,
    sharing: int,
    width: int,
    is_causal: bool,
    small: float,
    more: float,
) -> None:
    shape = {
        "n_heads": kv_heads * sharing,
        "n_kv_heads": kv_heads,
        "seq_q": queries,
        "seq_kv": queries + more_keys,
        "head_dim": width,
        "is_causal": is_causal,
    }
    flash = Attention(**shape)
    naive = Attention(algorithm=AttentionAlgorithm.NAIVE, **shape)
    assert flash.bytes_moved(small + more) <= flash.bytes_moved(small)
    assert flash.bytes_moved(math.inf) < naive.bytes_moved(math.inf)
    operands = 2 * width * kv_heads * (sharing * queries + queries + more_keys)
    assert flash.bytes_moved(math.inf) == 2 * operands
    assert flash.flops <= naive.flops
    if not is_causal:
        assert (
            flash.flops
            == naive.flops
            == 2 * Gemm(m=queries, n=queries + more_keys, k=width, batch=kv_heads * sharing).flops
        )
