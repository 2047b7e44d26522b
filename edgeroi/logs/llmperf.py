"""LLMPerf's ``*_individual_responses.json``: an array of requests, times in seconds.

Failed requests have 0 for their times and their tokens. ``error_code`` is a status, or -1; -100 is LLMPerf's own "output too few
tokens", of an answer that came: ``--not-error=-100`` takes it for one. Provider and model are in the file's name only:
``--map provider=@filename:REGEX``. The summary file beside it is another matter: its numbers are text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, Literal

from edgeroi.logs.format import Chunk, Claim, Head
from edgeroi.logs.load_test import MAPPED, first_token, is_mapped, scaled, told
from edgeroi.logs.objects import first_objects, from_array, is_array, known, whole
from edgeroi.logs.reading import Reading

_KEYS: Final = ("error_code", "ttft_s", "end_to_end_latency_s", "number_input_tokens", "number_output_tokens")
_MS_PER_S: Final = 1e3
_ADVICE: Final = "give the files of single runs, as LLMPerf writes them"


def _canonical(response: Mapping[str, Any]) -> dict[str, object]:
    latency, tokens = response.get("end_to_end_latency_s"), response.get("number_output_tokens")
    return {
        "error": response.get("error_code"),
        "latency_ms": scaled(latency, _MS_PER_S),
        "ttft_ms": scaled(first_token(response.get("ttft_s"), latency, tokens), _MS_PER_S),
        "input_tokens": response.get("number_input_tokens"),
        "output_tokens": tokens,
    }


class LLMPerf:
    """LLMPerf's responses; see the module."""

    name = "llmperf"
    unit = "end_to_end_latency_s, s"
    counted: Literal["records"] = "records"
    hidden: tuple[str, ...] = ()
    lacks = "when; provider and model (in the file's name: --map provider=@filename:REGEX); cost"
    fields: Mapping[str, str] = {
        "error": "error_code",
        "latency_ms": "end_to_end_latency_s",
        "ttft_ms": "ttft_s, where the answer is a stream",
        "input_tokens": "number_input_tokens",
        "output_tokens": "number_output_tokens",
    }

    def claim(self, head: Head, reading: Reading) -> Claim:
        """An array of which one element is a response of LLMPerf."""
        if is_mapped(reading):
            return MAPPED
        found = is_array(head) and any(all(key in record for key in _KEYS) for record in first_objects(head))
        return Claim(found, "LLMPerf responses" if found else f"no element of an array has {', '.join(_KEYS)}")

    def read_stream(self, stream: BinaryIO, reading: Reading) -> Iterator[Chunk]:
        """Read the array; it has to be held whole, so above 256 MB it is refused with advice."""
        yield told(from_array(whole(stream, _ADVICE), reading, JUDGE), reading)


JUDGE: Final = known(_canonical)
FORMAT = LLMPerf()
