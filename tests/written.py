"""Records written to a log and profiled, as the tests of one-record-a-line formats do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgeroi.engines.local import read_logs
from edgeroi.logs.reading import reading
from edgeroi.workload import Profile


def profiled(folder: Path, *records: object, name: str = "log.jsonl", text: str | None = None, **read: Any) -> Profile:
    """The profile of the records, one a line, or of the text; ``read`` is what ``reading`` takes."""
    log = folder / name
    log.write_text("".join(json.dumps(record) + "\n" for record in records) if text is None else text)
    return read_logs([log], reading(**read))
