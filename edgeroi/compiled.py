"""The part in C, where it was built: it reads lines of one shape and counts requests in one pass where numpy takes many.

It is never needed. ``part`` is ``None`` where no compiler was at hand at the installation, and everything is read and counted by
numpy, to the same numbers. So it is where the environment says ``EDGEROI_COMPILED=0``, to see that it makes no difference.
"""

from __future__ import annotations

import os
from types import ModuleType

#: The variable that says not to use it.
SWITCH = "EDGEROI_COMPILED"


def _found() -> ModuleType | None:
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        from edgeroi import _compiled
    except ImportError:
        return None
    return _compiled


part = _found()
