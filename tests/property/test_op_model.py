"""Parameter files and estimates, whatever is in them."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.op_model.descriptors.descriptor import Descriptor
from analysis.op_model.descriptors.descriptor_table import Descriptors
from analysis.op_model.descriptors.formats import DataFormat, Fidelity, VectorMode
from analysis.op_model.descriptors.ops import CATEGORIES, Category
from analysis.op_model.estimator.estimator import Estimator
from analysis.op_model.estimator.selection import Mode
from analysis.op_model.parameters.attribute_sets import PREDICATES, split_set_name
from analysis.op_model.parameters.parameter_file import (
    Parameters,
    parameters_text,
    parse_parameters,
)
from analysis.op_model.parameters.weights import weights_of
from farm.errors import UsageError
from tests.invented_op_parameters import OPERATIONS

NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)


def _is_possible(name: str) -> bool:
    try:
        split_set_name(name)
    except ValueError:
        return False
    return True


SETS = st.lists(st.sampled_from(PREDICATES), min_size=1, max_size=3).map("/".join)


@st.composite
def operations(draw):
    found = {}
    for op in draw(st.lists(st.sampled_from(sorted(CATEGORIES)), min_size=1, unique=True)):
        weights = st.dictionaries(st.sampled_from(weights_of(op)), NUMBERS, min_size=1)
        found[op] = draw(
            st.dictionaries(SETS.filter(_is_possible), weights, min_size=1, max_size=4)
        )
    return found


@given(operations())
def test_files_round_trip_exactly(found) -> None:
    text = parameters_text(found)
    assert repr(parse_parameters(text)) == repr(found)
    assert repr(yaml.safe_load(text)) == repr(found)


@st.composite
def descriptors(draw):
    op = draw(st.sampled_from([op for op in OPERATIONS if op != "matmul_sparse"]))
    is_product = CATEGORIES[op] in {Category.MATMUL, Category.DEPTHWISE}
    size = st.integers(1, 2**12)
    return Descriptor(
        op,
        t=draw(size),
        mblock_m=draw(size),
        mblock_n=draw(size),
        ublock_rt=draw(st.integers(1, 8)),
        ublock_ct=draw(st.integers(1, 8)),
        mblock_k=draw(size) if is_product else 0,
        ublock_kt=draw(size) if is_product else 0,
        nz_tiles=draw(st.integers(0, 10**4)) if op == "matmul" else 0,
        reduce_z=draw(st.integers(0, 100)) if op == "reduce_z" else 0,
        input_format=draw(st.sampled_from(list(DataFormat))).value,
        output_format=draw(st.sampled_from(list(DataFormat))).value,
        fidelity=draw(st.sampled_from(list(Fidelity))).value,
        vector_mode=draw(st.sampled_from(list(VectorMode))).value,
        approx=draw(st.booleans()),
        l1_accumulate=draw(st.booleans()),
    )


@given(st.lists(descriptors(), min_size=1, max_size=20), st.sampled_from(list(Mode)))
def test_a_table_is_estimated_as_its_rows_are(rows, mode: Mode) -> None:
    estimator = Estimator(Parameters("wormhole_b0", 1, OPERATIONS, "invented"), mode=mode)
    try:
        alone = [estimator.estimate(row).cycles for row in rows]
    except UsageError:
        # Wrapped products may come to nothing; then the table is refused as well.
        assume(mode is Mode.PARITY)
        with pytest.raises(UsageError, match="gives 0 cycles"):
            estimator.estimate_table(Descriptors.of(rows))
        return
    found = estimator.estimate_table(Descriptors.of(rows)).cycles.tolist()
    if mode is Mode.PARITY:
        assert found == alone
    else:
        assert found == pytest.approx(alone, rel=1e-14)


@given(descriptors())
def test_json_goes_both_ways(descriptor) -> None:
    assert Descriptor.from_json(descriptor.as_json()) == descriptor
