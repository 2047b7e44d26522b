"""What this process does with memory: what is freed, and how often Python looks for cycles."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

#: ``mallopt`` parameters of the GNU C library (malloc.h).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed() -> None:
    """Have the C library of this process keep what is freed: the same arrays are asked for again and again.

    Given back to the system and fetched anew, page by page, they cost a third of the time. Where the library is another one, nothing
    changes. Only in a process of our own: what the caller's process does with its memory is not ours to say.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, 1 << 30), (_M_TOP_PAD, 1 << 23)):
            mallopt(parameter, value)


def seek_cycles_rarely() -> None:
    """Have Python look for cycles a hundred times less often: records are many objects that hold each other in none.

    Looked for at the usual pace, they cost a sixth of the time that decoded records take. Only in a process of our own.
    """
    gc.set_threshold(70_000, 20, 20)
