"""What is compiled code in the real package."""

from ttnn._ttnn import device, tensor

__all__ = ["device", "get_device_operation_id", "tensor"]


def get_device_operation_id() -> int:
    """Id that the next launch of this process will have."""
    return device.next_operation_id
