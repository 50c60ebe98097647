"""Codes and sizes of what the operations compute on, as sweep configurations write them."""

FORMAT_OF_CODE = {
    1: "Float16",
    2: "Float16_b",
    3: "Bfp8",
    4: "Bfp8_b",
    5: "Bfp4",
    6: "Bfp4_b",
    7: "Bfp2",
    8: "Bfp2_b",
    9: "RawUInt32",
    10: "Int32",
    11: "Int8",
    12: "Float32",
}
FIDELITY_OF_CODE = {1: "LoFi", 2: "HiFi2", 3: "HiFi3", 4: "HiFi4"}
VECTOR_MODE_OF_CODE = {1: "rc", 2: "r", 3: "c"}
FLAG_OF_CODE = {0: False, 1: True}

TILE_BYTES = {
    "Float32": 4128,
    "Int32": 4128,
    "RawUInt32": 4128,
    "Float16": 2080,
    "Float16_b": 2080,
    "Bfp8": 1120,
    "Bfp8_b": 1120,
    "Int8": 1056,
    "Bfp4": 608,
    "Bfp4_b": 608,
    "Bfp2": 352,
    "Bfp2_b": 352,
}
"""Bytes of a tile of 32 x 32 data in memory, header and shared exponents included."""

INTEGERS = ("Int8", "Int32")
BLOCK_FLOATS = tuple(name for name in TILE_BYTES if name.startswith("Bfp"))
NARROW_BLOCK_FLOATS = tuple(name for name in BLOCK_FLOATS if not name.startswith("Bfp8"))
