"""What the part in C owes; its sources are in ``csrc/``. Arrays are anything contiguous with a buffer."""

from typing_extensions import Buffer

def read_lines(
    text: bytes, before: tuple[bytes, ...], kinds: bytes, columns: tuple[Buffer | None, ...], odd: Buffer, most_odd: int, /
) -> list[list[bytes] | None] | None:
    """Complete lines, all of one shape, into columns; ``None`` where they are not as many as ``odd`` or too many are odd.

    ``before[i]``: all that stands before the i-th value of a line; ``kinds[i]``: what that value has to be, and what becomes of it.

    - ``u``: any text, number or literal; ``t``: a text or null; ``s``: a text. Nothing becomes of them.
    - ``n``: a number or null; into ``columns[i]``, doubles, of which null leaves NaN untouched.
    - ``i``: RFC 3339 text or null; into ``columns[i]``, int64 ns since 1970, which null leaves untouched.
    - ``w``: a text, number or literal of which there are few; its code into ``columns[i]``, int32. The result tells, for each such
      column, each code's value as it is written: whether that is JSON is for the caller to see.

    ``odd``: one byte a line, set to 1 where a line is anything else but this. What the columns say of such a line means nothing.
    """

def newlines(text: bytes, /) -> int:
    """How many newlines there are."""

class Cells:
    """Durations counted by stratum and bucket: the stratum's code, then the 21 bits of the bucket's key, the last of them dropped."""

    def __new__(cls, coarser_bits: int, /) -> Cells: ...
    def add(self, strata: Buffer, ms: Buffer, /) -> None:
        """Count durations (doubles, NaN where unknown) in their strata (int64 below 2**41, negative where in none)."""

    def held(self) -> tuple[bytes, bytes, bytes]:
        """Cells in no order, their counts and their sums of ns: int64."""

    def ends(self) -> tuple[bytes, bytes, bytes]:
        """Strata in no order, the least ns of each and the most: int64."""

def sums(groups: Buffer, values: Buffer, unit: float, told: Buffer, /) -> None:
    """Add to ``told``, int64 (3, groups): how many values each group has, and the sums of the lower 26 bits and of the rest.

    A value (double, NaN where unknown) is counted in whole units, of which ``unit`` make 1.
    """
