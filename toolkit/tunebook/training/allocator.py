"""The C allocator, told to keep what a step frees: the next step asks for the same again."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameter numbers of glibc's mallopt(3)."""

_LARGEST_KEPT = 32 << 20
_FREE_KEPT = 1 << 30


def keep_freed_memory() -> bool:
    """Stops glibc from handing freed memory back to the system at once; True where it obeyed.

    Gradients and activations are freed and allocated at every step. By default their pages go
    back to the system and are cleared and mapped anew, thousands a step, which was a tenth of a
    training step of a small encoder on a CPU (`tests/benchmarks/full_speed.py`). Up to 1 GiB
    stays with the process; blocks above 32 MiB are mapped by themselves as before.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return all(
        libc.mallopt(parameter, size) == 1
        for parameter, size in ((_MMAP_THRESHOLD, _LARGEST_KEPT), (_TRIM_THRESHOLD, _FREE_KEPT))
    )
