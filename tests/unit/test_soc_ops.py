"""Work and traffic of operations, by hand and by the papers that they are from."""

from __future__ import annotations

import math

import pytest

from analysis.soc.chip.precision import Precision
from analysis.soc.errors import ConfigError
from analysis.soc.workload.ops import (
    Attention,
    AttentionAlgorithm,
    ElementWise,
    Gemm,
    Op,
    Reduction,
)

MUCH = math.inf


def test_a_product_that_fits_moves_each_operand_once() -> None:
    op = Gemm(m=2, n=3, k=5, batch=7, precision=Precision.FP16)
    assert op.flops == 2 * 2 * 3 * 5 * 7
    assert op.bytes_moved(MUCH) == 2 * (2 * 5 + 5 * 3 + 2 * 3) * 7


def test_weights_and_outputs_may_have_formats_of_their_own() -> None:
    op = Gemm(
        m=2, n=3, k=5, precision=Precision.BF16,
        weight_precision=Precision.FP4, output_precision=Precision.FP32,
    )  # fmt: skip
    assert op.bytes_moved(MUCH) == 2 * 5 * 2 + 5 * 3 * 0.5 + 2 * 3 * 4


def test_a_product_that_does_not_fit_streams_operands_past_a_square_block() -> None:
    # 64 elements of one byte: blocks of 8 x 8, so A and B are streamed 100 / 8 = 13 times.
    op = Gemm(m=100, n=100, k=100, precision=Precision.INT8)
    assert op.bytes_moved(64) == 100 * 100 * (13 + 13 + 1)


@pytest.mark.parametrize(
    ("m", "n", "k"), [(1000, 1000, 4), (1000, 4, 1000), (4, 1000, 1000)], ids="CBA"
)
def test_a_product_with_two_small_operands_moves_the_large_one_once(m: int, n: int, k: int) -> None:
    op = Gemm(m=m, n=n, k=k, precision=Precision.INT8)
    assert op.bytes_moved(5000) == op.bytes_moved(MUCH) == 1_008_000


def test_naive_attention_moves_scores_and_probabilities_in_and_out() -> None:
    # Algorithm 0 of FlashAttention: Q, K, V, O once; S and P written and read.
    op = Attention(
        algorithm=AttentionAlgorithm.NAIVE, batch=2, n_heads=3, seq_q=64, head_dim=16,
        precision=Precision.FP16,
    )  # fmt: skip
    assert op.flops == 4 * 2 * 3 * 64 * 64 * 16
    assert op.bytes_moved(MUCH) == 2 * 2 * 3 * (4 * 64 * 16 + 4 * 64 * 64)


def test_flash_attention_streams_keys_once_per_block_of_queries() -> None:
    # 4 x 16 elements per row of a block: 1024 elements hold 16 rows, so 64 queries are 4 blocks.
    op = Attention(n_heads=3, seq_q=64, head_dim=16, precision=Precision.INT8)
    assert op.bytes_moved(1024) == 3 * (2 * 64 * 16 + 4 * 2 * 64 * 16)
    assert op.bytes_moved(MUCH) == 3 * 4 * 64 * 16


def test_heads_that_share_keys_are_blocks_of_the_same_stream() -> None:
    op = Attention(n_heads=8, n_kv_heads=2, seq_q=1, seq_kv=1000, head_dim=64)
    assert op.bytes_moved(MUCH) == 2 * (2 * 8 * 64 + 2 * 2 * 1000 * 64)
    assert op.flops == 4 * 8 * 1000 * 64


def test_causal_flash_skips_what_is_masked() -> None:
    # 3 queries before 5 keys: the queries see 3, 4 and 5 of them.
    causal = Attention(n_heads=1, seq_q=3, seq_kv=5, head_dim=1, is_causal=True)
    assert causal.n_scores == 3 + 4 + 5
    # Blocks of one query each (4 elements) stream the keys that their query sees.
    assert causal.bytes_moved(8) == 2 * (2 * 3 + 2 * (3 + 4 + 5))
    naive = Attention(
        algorithm=AttentionAlgorithm.NAIVE, n_heads=1, seq_q=3, seq_kv=5, head_dim=1,
        is_causal=True,
    )  # fmt: skip
    assert naive.n_scores == 15


def test_pointwise_operations_and_reductions() -> None:
    add = ElementWise(n_elements=100, n_inputs=2, flops_per_element=1, precision=Precision.FP32)
    assert (add.flops, add.bytes_moved(0)) == (100, 1200)
    total = Reduction(n_rows=10, n_columns=100, precision=Precision.BF16)
    assert (total.flops, total.bytes_moved(0)) == (990, 2020)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Gemm, {"m": 0, "n": 1, "k": 1}, "Gemm.m = 0 rows"),
        (Gemm, {"m": 2.5, "n": 1, "k": 1}, "whole numbers"),
        (Gemm, {"m": "4", "n": 1, "k": 1}, "not a number"),
        (Attention, {"n_heads": 6, "n_kv_heads": 4, "seq_q": 1, "head_dim": 1}, "multiple"),
        (Attention, {"n_heads": 1, "seq_kv": -1, "seq_q": 1, "head_dim": 1}, "seq_kv = -1"),
        (
            Attention,
            {"n_heads": 1, "seq_q": 9, "seq_kv": 8, "head_dim": 1, "is_causal": True},
            "see no key",
        ),
        (ElementWise, {"n_elements": 1, "flops_per_element": math.nan}, "finite"),
        (Reduction, {"n_rows": 1, "n_columns": 1, "count": 0}, "count = 0"),
    ],
)
def test_impossible_operations_are_refused(
    kind: type[Op], values: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        kind(**values)
