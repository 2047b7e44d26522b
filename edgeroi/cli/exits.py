"""How a run ends: the exit status, and the two endings that are not errors of the user's or of ours.

======  =====================================================================
0       done; a gate passed
1       a gate failed, and nothing else ever exits 1
2       usage, scenario or input error (``EdgeroiError``)
3       no answer where one was asked for (``NoAnswer``)
70      a bug in edgeroi
74      output could not be written (``OutputFailed``)
130     interrupted
141     stdout was closed
143     terminated
======  =====================================================================
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit statuses."""

    DONE = 0
    GATE_FAILED = 1
    USAGE = 2
    NO_ANSWER = 3
    BUG = 70
    OUTPUT_FAILED = 74
    INTERRUPTED = 130
    STDOUT_CLOSED = 141
    TERMINATED = 143


class GateFailed(Exception):
    """The gate said no, after its report was written: the only way to exit 1."""


class Terminated(BaseException):
    """SIGTERM arrived; like ``KeyboardInterrupt`` it passes through ``except Exception``."""
