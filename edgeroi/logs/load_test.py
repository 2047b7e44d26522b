"""What the logs of load generators and benchmark tools have in common.

They measure where the generator stands, so such a log is seen from a client; its volume and its place are the generator's own.
A tool that does not know of tokens tells when the first byte came. Where the answer is a stream that is about when its first token
came; where it is not, the first byte comes with the last, and it is no time to first token. The rule is the same for all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeGuard

from edgeroi.logs.format import Chunk, Claim
from edgeroi.logs.objects import seen
from edgeroi.logs.reading import Reading
from edgeroi.workload import SeenFrom

SEEN_FROM: Final[SeenFrom] = "client"
NOTE: Final = "a load test: its volume and its place are the generator's, not your users'"
#: A first byte that comes after this share of the whole time, or so few ms before the last, tells of no stream.
_STREAMED_BEFORE: Final = 0.98
_LEAST_REST_MS: Final = 5.0
#: Beyond it a product may overflow; what is judged later is out of range long before.
_MOST: Final = 1e300
#: The claim where the user says which field is latency.
MAPPED: Final = Claim(False, "latency_ms is mapped, so the log is read as mapped")


def is_mapped(reading: Reading) -> bool:
    """Whether the user says which field is latency, so that no format's own definition holds."""
    return "latency_ms" in reading.fields


def told(chunk: Chunk, reading: Reading, *notes: str) -> Chunk:
    """The chunk, with where it was measured and that it is a load test."""
    return seen(replace(chunk, notes=(NOTE, *notes, *chunk.notes)), reading, SEEN_FROM)


def as_text(name: str, cell: str) -> str:
    """A cell of a table as it is, for a format that reads each of its columns itself."""
    return cell


def first_byte_ms(first_ms: object, whole_ms: object) -> object:
    """When the first byte came, where that may be a first token: after 0, in the first 98 % of the time, 5 ms before the end."""
    if not (is_number(first_ms) and is_number(whole_ms)):
        return first_ms
    latest: float = min(_STREAMED_BEFORE * whole_ms, whole_ms - _LEAST_REST_MS)
    return first_ms if 0 < first_ms < latest else None


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number that can be reckoned with: no truth value, and not beyond what a double holds."""
    return type(value) in (int, float) and -_MOST < value < _MOST  # type: ignore[operator]


def scaled(value: object, factor: float) -> object:
    """A number in another unit; what is none stays, to be judged as that. Whole nanoseconds are divided, which is exact to a double."""
    if not is_number(value):
        return value
    return value * factor if factor >= 1 else value / round(1 / factor)


def first_token(first: object, whole: object, tokens: object) -> object:
    """A tool's own time to first token, where it is one: of an answer of several tokens that was not streamed it is the whole time."""
    if not (is_number(first) and is_number(whole)) or first <= 0:
        return None if is_number(first) and first <= 0 else first
    several = not is_number(tokens) or tokens > 1
    return None if several and first >= _STREAMED_BEFORE * whole else first
