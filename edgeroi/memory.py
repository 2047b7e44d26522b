"""What the C library of this process does with memory that is freed."""

from __future__ import annotations

import ctypes
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
