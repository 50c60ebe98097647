"""Op sweeps of every generation of their format, and what is wrong with broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.op_model.sweep_files.cells import unique_names
from analysis.op_model.sweep_files.names import parse_sweep_name
from analysis.op_model.sweep_files.reader import (
    CANONICAL_COLUMNS,
    find_sweeps,
    is_sweep,
    read_sweep,
)
from farm.errors import FormatError, UsageError

SHORT = "input0_df,math_fidelity,t,mblock_m,mblock_n,ublock_rt,ublock_ct,runtime"
SHORT_ROW = "Bfp8_b,LoFi,1,2,4,1,8,1234"


def operand(name: str, *, t: int = 1, m: int = 4, n: int = 2, r: int = 1, c: int = 8) -> dict:
    block = {"t": t, "grid_size_r": 1, "grid_size_c": 1, "mb_r": m, "mb_c": n}
    block |= {"ub_r": r, "ub_c": c, "ublock_order": "r", "buf_size_mb": 2}
    return {f"{name}_df": "Bfp8_b"} | {f"{name}_{key}": value for key, value in block.items()}


METRICS = {
    "first-input-idx-recorded": 0,
    "last-input-idx-recorded": 127,
    "average-math-utilization-all-inputs": 40.5,
    "total-runtime": 12800,
    "input0-bw": 1.5,
    "input1-bw": "N/A",
    "output-bw": 1.5,
    "input0-bw-across-cores-total-runtime": 1.5,
    "input1-bw-across-cores-total-runtime": "N/A",
    "output-bw-across-cores-total-runtime": 1.5,
}


def long_row(kind: dict, n_inputs: int = 1, trailing: dict | None = None, **metrics) -> dict:
    operands: dict = {}
    for name in [f"input{i}" for i in range(n_inputs)] + ["output"]:
        operands |= operand(name)
    return (
        {"Test-ID": 7} | kind | {"math_fidelity": "HiFi4"} | operands | (trailing or {}) | METRICS
    ) | metrics


def write(path: Path, *rows: dict, newline: str = "\n", bom: bool = False) -> Path:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = newline.join(lines) + newline
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    return path


@pytest.mark.parametrize(
    ("kind", "n_inputs", "trailing", "n_columns", "op"),
    [
        ({"Unary-Type": "exp"}, 1, {}, 33, "exp"),
        ({"Unary-Type": "exp", "Vector-Mode": "r"}, 1, {}, 34, "exp"),
        ({"Binary-Type": "add"}, 2, {}, 43, "add"),
        ({"quant_type": "quantization", "zero_point": 1}, 2, {}, 44, "quantization"),
        ({}, 2, {"mblock_k": 3, "ublock_kt": 5, "l1_acc": True}, 45, "matmul"),
    ],
)
def test_long_headers_of_every_width(tmp_path, kind, n_inputs, trailing, n_columns, op) -> None:
    folder = tmp_path / "wormhole_b0"
    path = write(folder / f"{op}-op-performance.csv", long_row(kind, n_inputs, trailing))
    table = read_sweep(path)
    assert len(table.header) == n_columns
    assert tuple(table.frame.columns) == CANONICAL_COLUMNS
    row = table.frame.iloc[0]
    assert (row.op, row.arch, row.runtime_cycles) == (op, "wormhole_b0", 100.0)
    assert tuple(row[["t", "mblock_m", "mblock_n", "ublock_rt", "ublock_ct"]]) == (1, 4, 2, 1, 8)
    assert row.vector_mode == kind.get("Vector-Mode", "rc")
    assert (row.mblock_k, row.ublock_kt) == ((3, 5) if trailing else (0, 0))
    assert bool(row.l1_accumulate) is bool(trailing)
    assert table.warnings == ()


def test_short_header_with_mark_and_carriage_returns(tmp_path) -> None:
    path = tmp_path / "grayskull" / "gelu-op-performance.csv"
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbf" + f"{SHORT}\r\n{SHORT_ROW}\r\n\r\n".encode())
    row = read_sweep(path).frame.iloc[0]
    assert (row.op, row.arch, row.runtime_cycles) == ("gelu", "grayskull", 1234.0)
    assert (row.input_format, row.output_format, row.fidelity) == ("Bfp8_b", "Bfp8_b", "LoFi")


def test_the_first_operand_may_be_called_input0(tmp_path) -> None:
    path = tmp_path / "nop-op-performance.csv"
    path.write_text(f"{SHORT.replace('input0_df', 'input0')}\n{SHORT_ROW}\n")
    assert read_sweep(path).frame["input_format"][0] == "Bfp8_b"


def test_short_matmul_and_its_unused_columns(tmp_path) -> None:
    path = tmp_path / "grayskull" / "matmul-op-performance.csv"
    head = "input0_df,input1_df,output_df,accum_df,intermed_df,math_fidelity,t,mblock_m,mblock_n,"
    path.parent.mkdir()
    path.write_text(
        head + "ublock_rt,ublock_ct,m_k,u_kt,runtime\n"
        "Bfp8_b,Bfp8_b,Float16,Float16,Float16,LoFi,1,2,2,1,4,8,16,500\n"
    )
    row = read_sweep(path).frame.iloc[0]
    assert (row.op, row.mblock_k, row.ublock_kt, row.output_format) == ("matmul", 8, 16, "Float16")


def test_depth_of_a_reduction_is_padded_with_zeros(tmp_path) -> None:
    path = tmp_path / "reduce-z-op-performance.csv"
    path.write_text(f"z,{SHORT}\n01,{SHORT_ROW}\n32,{SHORT_ROW}\n")
    frame = read_sweep(path).frame
    assert frame["reduce_z"].tolist() == [1, 32]
    assert set(frame["op"]) == {"reduce_z"}
    assert set(frame["attribute"]) == {"z"}


def test_depth_of_a_reduction_from_the_operands(tmp_path) -> None:
    row = long_row({"reduce-dim": "z"}) | {"input0_t": 24, "output_t": 3}
    frame = read_sweep(write(tmp_path / "reduce.csv", row)).frame
    assert (frame["t"][0], frame["reduce_z"][0], frame["op"][0]) == (3, 8, "reduce_z")


def test_two_operations_in_one_file_stay_apart(tmp_path) -> None:
    rows = [long_row({"Unary-Type": op}) for op in ("sine", "cosine", "sine")]
    table = read_sweep(write(tmp_path / "sine-op-performance.csv", *rows))
    assert table.ops == ("sine", "cosine")
    assert table.frame["op"].tolist() == ["sine", "cosine", "sine"]


def test_sparse_products(tmp_path) -> None:
    path = tmp_path / "matmul-sparse-op-performance.csv"
    path.write_text(
        "test_id,input0_df,input1_df,output_df,math_fidelity,output_t,output_mb_r,output_mb_c,"
        "output_ub_r,output_ub_c,mblock_k,ublock_kt,nz_strips,nz_ublocks,nz_tiles,runtime\n"
        "0,Bfp2,Bfp8,Bfp8,LoFi,1,7,1,2,2,16,4,2,7,39,5830\n"
    )
    row = read_sweep(path).frame.iloc[0]
    assert row.op == "matmul_sparse"
    assert (row.nz_strips, row.nz_ublocks, row.nz_tiles) == (2, 7, 39)


def test_a_verbose_report_has_two_blocks_and_the_slowest_core_counts(tmp_path) -> None:
    block = "core-label,total-wait-tile,runtime-last-input,math-util-last-input"
    path = tmp_path / "matmul-sparse-nz-counts-op-performance.csv"
    path.write_text(
        f"Test-ID,math_fidelity,t,mblock_m,mblock_n,ublock_rt,ublock_ct,nz_tiles,{block},{block}\n"
        "0,LoFi,1,2,2,1,1,9,1-1,5,800,40,2-2,0,900,36\n"
    )
    table = read_sweep(path)
    assert table.frame["runtime_cycles"][0] == 900.0
    assert table.header.count("core-label") == 2
    assert table.cells["core-label.1"][0] == "2-2"


def test_failed_tests_are_dropped_and_named(tmp_path) -> None:
    failed = long_row({"Unary-Type": "exp"}) | dict.fromkeys(METRICS, "N/A") | {"Test-ID": 12}
    stuck = long_row({"Unary-Type": "exp"}, **{"total-runtime": 0}) | {"Test-ID": 13}
    good = long_row({"Unary-Type": "exp"})
    table = read_sweep(write(tmp_path / "exp-op-performance.csv", failed, good, stuck, good))
    assert len(table) == len(table.cells) == 2
    assert [(row.line, row.test_id) for row in table.dropped] == [(2, "12"), (4, "13")]


def test_cells_are_kept_as_they_are(tmp_path) -> None:
    path = tmp_path / "exp.csv"
    path.write_text(f'{SHORT},note\n{SHORT_ROW},"a, ""b"""\n')
    table = read_sweep(path)
    assert table.cells["note"][0] == 'a, "b"'
    assert table.cells["runtime"][0] == "1234"


def test_options_outrank_names(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"{SHORT}\n{SHORT_ROW}\n")
    table = read_sweep(path, arch="grayskull", op="exp")
    assert (table.arch, table.ops) == ("grayskull", ("exp",))
    assert read_sweep(path).warnings == (
        "no folder or column names the architecture: wormhole_b0 is assumed",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (f"{SHORT}\n", "no rows"),
        ("a,b\n1,2\n", "no column t or output_t, mblock_m"),
        (f"{SHORT}\nBfp8_b,LoFi,1,2\n", "line 2: 4 cells under a header of 8"),
        (f"{SHORT}\n{SHORT_ROW}\nBfp8_b,LoFi,1,two,4,1,8,1234\n", "line 3, column mblock_m: 'two'"),
        (f"{SHORT}\nBfp8_b,LoFi,1,0,4,1,8,1234\n", "line 2, column mblock_m: '0'"),
        (f"{SHORT}\nBfp8_b,LoFi,1,2.5,4,1,8,1234\n", "column mblock_m: '2.5'"),
        (f"{SHORT}\nBfp8_b,LoFi,1,2,4,1,8,fast\n", "column runtime: 'fast' is not a number"),
        (f"{SHORT}\nBfp8_b,LoFi,1,2,4,1,8,N/A\n", "none of its 1 rows was measured"),
        (f'{SHORT}\n"Bfp8_b,LoFi,1,2,4,1,8,7\n', "unexpected end of data"),
        (f"Vector-Mode,{SHORT}\nx,{SHORT_ROW}\n", "'x' is not one of rc, r, c"),
        (f"{SHORT.replace('runtime', 'total-runtime')}\n{SHORT_ROW}\n", "to count its inputs"),
    ],
)
def test_broken_files_say_what_and_where(tmp_path, content, message) -> None:
    path = tmp_path / "exp.csv"
    path.write_text(content)
    with pytest.raises(FormatError) as caught:
        read_sweep(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_are_no_text_or_not_there(tmp_path) -> None:
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(FormatError, match="not a text file"):
        read_sweep(tmp_path / "image.csv")
    with pytest.raises(UsageError, match="No such file"):
        read_sweep(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="unknown architecture 'mars'"):
        read_sweep(tmp_path / "none.csv", arch="mars")


def test_folders_are_searched_and_other_files_passed_over(tmp_path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    sweep = tmp_path / "b" / "c" / "exp.csv"
    sweep.write_text(f"{SHORT}\n{SHORT_ROW}\n")
    other = tmp_path / "prices.csv"
    other.write_text("a,b\n1,2\n")
    assert find_sweeps([tmp_path, sweep]) == [sweep]
    assert find_sweeps([other]) == [other]
    assert is_sweep(sweep)
    assert not is_sweep(other)
    with pytest.raises(UsageError, match="no such file or folder"):
        find_sweeps([tmp_path / "none"])
    other.rename(tmp_path / "b" / "prices.csv")
    sweep.unlink()
    with pytest.raises(UsageError, match="no op sweep"):
        find_sweeps([tmp_path])


@pytest.mark.parametrize(
    ("name", "op", "arch", "attribute", "approx", "l1_accumulate"),
    [
        ("grayskull/exp-op-performance.csv", "exp", "grayskull", "", False, False),
        ("exp-approx-op-performance.csv", "exp", "", "", True, False),
        ("gelu-derivative-approx-op-performance.csv", "gelu_derivative", "", "", True, False),
        ("whb0-reduce-r-performance.csv", "reduce", "wormhole_b0", "r", False, False),
        ("reduce-z-op-performance.csv", "reduce_z", "", "z", False, False),
        ("nop-bfp8-op-performance.csv", "nop", "", "", False, False),
        ("add-int32-op-performance.csv", "add", "", "", False, False),
        ("matmul-l1-acc-fp16-op-performance.csv", "matmul", "", "", False, True),
        ("matmul-sparse-op-performance.csv", "matmul_sparse", "", "", False, False),
        ("wormhole_b0-sqrt.csv", "sqrt", "wormhole_b0", "", False, False),
        ("int8.csv", "int8", "", "", False, False),
    ],
)
def test_names(name, op, arch, attribute, approx, l1_accumulate) -> None:
    found = parse_sweep_name(Path(name))
    assert (found.op, found.arch, found.attribute) == (op, arch, attribute)
    assert (found.approx, found.l1_accumulate) == (approx, l1_accumulate)


def test_repeated_names_never_meet_a_given_one() -> None:
    assert unique_names(["a", "a.1", "a", "a"]) == ["a", "a.1", "a.2", "a.3"]
