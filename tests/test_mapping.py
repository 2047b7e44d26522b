"""Mapping files: what the command line says, in YAML, and every mistake at its place."""

import pytest

from edgeroi.errors import EdgeroiError
from edgeroi.logs.mapping import read, reading_of, with_mapping
from edgeroi.logs.reading import Field, reading

WHOLE = """\
map:
  latency_ms: timing.total:s
  timestamp: at
  provider: "@filename:^([a-z]+)_"
const:
  workload: chat
  streamed: true
not_error: [-100, timeout]
require: [timestamp, model]
seen_from: gateway
sampling: 10%
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "mapping.yaml").write_text(text)
        return tmp_path / "mapping.yaml"

    return write


def test_a_file_says_what_the_command_line_says(written):
    spoken = reading(
        map=("latency_ms=timing.total:s", "timestamp=at", "provider=@filename:^([a-z]+)_"),
        const=("workload=chat", "streamed=true"),
        not_error=("-100", "timeout"),
        require=("timestamp", "model"),
        seen_from="gateway",
        sampling=0.1,
    )
    assert reading_of(written(WHOLE)) == read(written(WHOLE)) == spoken


def test_the_command_line_wins_column_by_column(written):
    said = reading(by=("model",), map=("latency_ms=took:ms", "workload=name"), const=("provider=groq",), not_error=("x",))
    both = with_mapping(said, written(WHOLE))
    assert both.by == ("model",)
    assert both.fields == {"latency_ms": Field(("took",), "ms"), "timestamp": Field(("at",)), "workload": Field(("name",))}
    assert (both.const, both.from_name) == ({"provider": "groq", "streamed": "true"}, {})
    assert both.not_error == ("-100", "timeout", "x")
    assert both.seen_from == "gateway"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("mapp:\n  a: b\n", ":1:1", "did you mean 'map'"),
        ("map:\n  latency: took:s\n", ":2:3", "did you mean 'latency_ms'"),
        ("map:\n  latency_ms: took\n", ":2:15", "write latency_ms=took:ms"),
        ("map: [a]\n", ":1:6", "column: source pairs"),
        ("map:\n  model: {a: b}\n", ":2", "a single value"),
        ("map:\n  model: a\n  model: b\n", ":3:3", "model"),
        ("map: {model: a}\nconst: {model: b}\n", ":2:8", "both mapped and constant"),
        ("const:\n  latency_ms: 4\n", ":2:15", "cannot be the same"),
        ("const:\n  cold_start: maybe\n", ":2:15", "true or false"),
        ("require: [regoin]\n", ":1:11", "did you mean 'region'"),
        ("seen_from: moon\n", ":1:12", "no vantage"),
        ("sampling: 0\n", ":1:11", "outside"),
        ("sampling: some\n", ":1:11", "no share"),
        ("- map\n", ":1:1", "not a mapping file"),
    ],
    ids=str,
)
def test_a_mistake_stands_at_its_place(written, text, place, message):
    with pytest.raises(EdgeroiError) as error:
        read(written(text))
    assert f"mapping.yaml{place}" in str(error.value)
    assert message in str(error.value)
