"""A small, faithful stand-in for TT-NN, for tests on hosts without a card.

Names, signatures, printed forms, the counter of launch ids and the profiler's log are those of the
real package; what a launch takes is made up.  Like the real one it reads the environment when it is
imported: visible devices and profiler settings have to be there before.

Variables that tell it what to do:

========================== =====================================================================
``TTNN_STANDIN_HANG``      shapes, such as ``1x1x64x96``, whose launches never end; the card stays
                           dead until it is reset
``TTNN_STANDIN_CRASH``     shapes whose launches end the process by SIGSEGV
``TTNN_STANDIN_OOM``       shapes that do not fit, whatever their size
``TTNN_STANDIN_DROP``      shapes of whose launches the profiler loses one core
``TTNN_STANDIN_WRONG``     shapes whose sums are wrong
``TTNN_STANDIN_COMPILE``   shapes whose kernels take a second to compile, in each process
``TTNN_STANDIN_BLIND``     it heeds no variable that hides cards
``TTNN_STANDIN_STATE``     directory in which a dead card is a file ``card-N.dead``
``TTNN_STANDIN_DEV``       directory of device nodes, opened as the real driver's are
``TTNN_STANDIN_GENERATION``  generation of the profiler's log, default v5
========================== =====================================================================
"""

from ttnn import _ttnn
from ttnn._ttnn.device import (
    Arch,
    Device,
    ReadDeviceProfiler,
    close_device,
    open_device,
    synchronize_device,
)
from ttnn._ttnn.tensor import (
    BufferType,
    CoreCoord,
    CoreRange,
    CoreRangeSet,
    DataType,
    Layout,
    MemoryConfig,
    ShardOrientation,
    ShardSpec,
    Tensor,
    TensorMemoryLayout,
)
from ttnn.core import CoreGrid, ShardStrategy, create_sharded_memory_config
from ttnn.operations import (
    add,
    deallocate,
    from_torch,
    ones,
    rand,
    to_device,
    to_memory_config,
    to_torch,
    zeros,
)

__version__ = "0.0.0+standin"

bfloat16, bfloat8_b, float32 = DataType.BFLOAT16, DataType.BFLOAT8_B, DataType.FLOAT32
uint32, int32, uint16 = DataType.UINT32, DataType.INT32, DataType.UINT16
TILE_LAYOUT, ROW_MAJOR_LAYOUT = Layout.TILE, Layout.ROW_MAJOR
TILE_SIZE = 32
DRAM_MEMORY_CONFIG = MemoryConfig(TensorMemoryLayout.INTERLEAVED, BufferType.DRAM)
L1_MEMORY_CONFIG = MemoryConfig(TensorMemoryLayout.INTERLEAVED, BufferType.L1)

__all__ = [
    "DRAM_MEMORY_CONFIG",
    "L1_MEMORY_CONFIG",
    "ROW_MAJOR_LAYOUT",
    "TILE_LAYOUT",
    "TILE_SIZE",
    "Arch",
    "BufferType",
    "CoreCoord",
    "CoreGrid",
    "CoreRange",
    "CoreRangeSet",
    "DataType",
    "Device",
    "Layout",
    "MemoryConfig",
    "ReadDeviceProfiler",
    "ShardOrientation",
    "ShardSpec",
    "ShardStrategy",
    "Tensor",
    "TensorMemoryLayout",
    "_ttnn",
    "add",
    "bfloat8_b",
    "bfloat16",
    "close_device",
    "create_sharded_memory_config",
    "deallocate",
    "float32",
    "from_torch",
    "int32",
    "ones",
    "open_device",
    "rand",
    "synchronize_device",
    "to_device",
    "to_memory_config",
    "to_torch",
    "uint16",
    "uint32",
    "zeros",
]
