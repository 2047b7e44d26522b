"""The same percentiles by other means: ``python benchmarks/contenders.py FORMAT NAME FILE`` prints one JSON object a group.

Each answers for every group: requests, errors, and p50, p90, p95, p99 of the successes' latency. A group is a workload and a placement
(``jsonl``, ``gz``, ``zst``, ``csv``), a path (``nginx``) or a model (``otlp``, ``litellm``).

Every one of them computes the same nearest rank, the ``ceil(n q)``-th of n values, so that one value is right in a group of any size:
DuckDB's ``quantile_disc`` and polars' ``equiprobable`` are defined so; chdb, Miller and the loop take the value at ``floor(n q)`` from
0, which is the next one wherever n q is whole, and are asked for a rank that is less by 10^-12 (Miller: 10^-10 of a percent).
GoAccess has no quantiles: it counts requests.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

QUANTILES = (0.50, 0.90, 0.95, 0.99)
#: What makes ``floor(n q)`` from 0 the nearest rank: too little to matter unless n q is whole.
SLIGHTLY = 1e-12


@dataclass(frozen=True)
class Answer:
    """One group. ``errors`` and ``ms`` are ``None`` and empty where the tool does not tell them."""

    key: tuple[str, ...]
    requests: int
    errors: int | None
    ms: tuple[float, ...]


Ask = Callable[[Path], Iterable[Answer]]
#: The columns that make a group, by format.
KEYS = {
    **dict.fromkeys(("jsonl", "gz", "zst", "csv"), ("workload", "placement")),
    "nginx": ("path",),
    "otlp": ("model",),
    "litellm": ("model",),
}


# --- DuckDB ----------------------------------------------------------------------------------------------------------------

_OUR_COLUMNS = "{workload: 'varchar', placement: 'varchar', error: 'varchar', latency_ms: 'double'}"
_OUR_JSON = f"select workload, placement, error is not null as failed, latency_ms as ms from read_ndjson($file, columns = {_OUR_COLUMNS})"
_SPAN = """STRUCT("startTimeUnixNano" VARCHAR, "endTimeUnixNano" VARCHAR,
    attributes STRUCT("key" VARCHAR, "value" STRUCT("stringValue" VARCHAR))[], status STRUCT(code INTEGER))"""
#: Explicit columns, so that nothing is sniffed; only what is asked for is converted.
DUCKDB_SOURCES = {
    "jsonl": _OUR_JSON,
    "gz": _OUR_JSON,
    "zst": _OUR_JSON,
    "csv": """
        select workload, placement, error is not null as failed, latency_ms as ms
        from read_csv($file, header = true, delim = ',', quote = '"', columns = {timestamp: 'varchar', request_id: 'varchar',
            workload: 'varchar', placement: 'varchar', model: 'varchar', status: 'integer', error: 'varchar', streamed: 'boolean',
            latency_ms: 'double', ttft_ms: 'double', input_tokens: 'bigint', output_tokens: 'bigint'})""",
    "nginx": """
        select split_part(request, ' ', 2) as path, status >= 400 as failed, seconds * 1000 as ms
        from read_csv($file, header = false, delim = ' ', quote = '"', columns = {host: 'varchar', ident: 'varchar', who: 'varchar',
            time: 'varchar', zone: 'varchar', request: 'varchar', status: 'integer', bytes: 'bigint', referer: 'varchar',
            agent: 'varchar', seconds: 'double'})""",
    "otlp": f"""
        with resources as (select unnest("resourceSpans") as r from read_ndjson($file, maximum_object_size = 16777216, columns =
                {{"resourceSpans": 'STRUCT("scopeSpans" STRUCT(spans {_SPAN.replace(chr(10), " ")}[])[])[]'}})),
            scopes as (select unnest(r."scopeSpans") as scope from resources),
            spans as (select unnest(scope.spans) as span from scopes)
        select list_filter(span.attributes, lambda x: x."key" = 'gen_ai.request.model')[1]."value"."stringValue" as model,
            coalesce(span.status.code = 2, false) as failed,
            (span."endTimeUnixNano"::bigint - span."startTimeUnixNano"::bigint) / 1e6 as ms
        from spans""",
    "litellm": """
        select model, status = 'failure' as failed, ("endTime" - "startTime") * 1000 as ms
        from read_ndjson($file, columns = {model: 'varchar', status: 'varchar', "startTime": 'double', "endTime": 'double'})""",
}


def with_duckdb(form: str) -> Ask:
    """The bare query."""

    def ask(file: Path) -> Iterable[Answer]:
        import duckdb

        keys = ", ".join(KEYS[form])
        query = f"""
            select {keys}, count(*), count(*) filter (where failed), quantile_disc(ms, {list(QUANTILES)}) filter (where not failed)
            from ({DUCKDB_SOURCES[form].replace("$file", f"'{file}'")}) group by all"""
        return (Answer(tuple(key), n, errors, tuple(ms)) for *key, n, errors, ms in duckdb.sql(query).fetchall())

    return ask


def with_duckdb_more(file: Path) -> Iterable[Answer]:
    """The bare query for everything a profile's row shows: both latencies, tokens, span; still without intervals or an account."""
    import duckdb

    quantiles = list(QUANTILES)
    query = f"""
        select workload, placement, count(*), count(error),
               quantile_disc(latency_ms, {quantiles}) filter (where error is null),
               quantile_disc(ttft_ms, {quantiles}) filter (where error is null),
               avg(latency_ms) filter (where error is null), min(latency_ms), max(latency_ms), sum(input_tokens), sum(output_tokens),
               min("timestamp"), max("timestamp"), count(*) filter (where status >= 400), count(*) filter (where streamed)
        from read_ndjson('{file}', columns = {{workload: 'varchar', placement: 'varchar', error: 'varchar', latency_ms: 'double',
               ttft_ms: 'double', input_tokens: 'bigint', output_tokens: 'bigint', "timestamp": 'timestamp', status: 'int',
               streamed: 'bool'}})
        group by all"""
    return (Answer((w, p), n, errors, tuple(ms)) for w, p, n, errors, ms, *_ in duckdb.sql(query).fetchall())


# --- polars ----------------------------------------------------------------------------------------------------------------


def _polars_json(file: Path) -> pl.LazyFrame:
    import polars as pl

    schema = {"workload": pl.String, "placement": pl.String, "error": pl.String, "latency_ms": pl.Float64}
    return pl.scan_ndjson(file, schema=schema).with_columns(pl.col("error").is_not_null().alias("failed"), pl.col("latency_ms").alias("ms"))


def _polars_csv(file: Path) -> pl.LazyFrame:
    import polars as pl

    frame = pl.scan_csv(file, schema_overrides={"error": pl.String, "latency_ms": pl.Float64})
    return frame.with_columns(pl.col("error").is_not_null().alias("failed"), pl.col("latency_ms").alias("ms"))


def _polars_nginx(file: Path) -> pl.LazyFrame:
    import polars as pl

    names = ("host", "ident", "who", "time", "zone", "request", "status", "bytes", "referer", "agent", "seconds")
    kinds = {"status": pl.Int32, "bytes": pl.Int64, "seconds": pl.Float64}
    frame = pl.scan_csv(file, has_header=False, separator=" ", schema={name: kinds.get(name, pl.String) for name in names})
    path = pl.col("request").str.split(" ").list.get(1)
    return frame.select(path.alias("path"), (pl.col("status") >= 400).alias("failed"), (pl.col("seconds") * 1000).alias("ms"))


def _polars_otlp(file: Path) -> pl.LazyFrame:
    import polars as pl

    attribute = pl.Struct({"key": pl.String, "value": pl.Struct({"stringValue": pl.String})})
    times = {"startTimeUnixNano": pl.String, "endTimeUnixNano": pl.String}
    span = pl.Struct({**times, "attributes": pl.List(attribute), "status": pl.Struct({"code": pl.Int32})})
    scope = pl.Struct({"spans": pl.List(span)})
    frame = pl.scan_ndjson(file, schema={"resourceSpans": pl.List(pl.Struct({"scopeSpans": pl.List(scope)}))})
    frame = frame.explode("resourceSpans").select(pl.col("resourceSpans").struct.field("scopeSpans")).explode("scopeSpans")
    frame = frame.select(pl.col("scopeSpans").struct.field("spans")).explode("spans").unnest("spans")
    asked = pl.element().filter(pl.element().struct.field("key") == "gen_ai.request.model")
    model = pl.col("attributes").list.eval(asked.struct.field("value").struct.field("stringValue")).list.first()
    ns = pl.col("endTimeUnixNano").cast(pl.Int64) - pl.col("startTimeUnixNano").cast(pl.Int64)
    failed = (pl.col("status").struct.field("code") == 2).fill_null(value=False)
    return frame.select(model.alias("model"), failed.alias("failed"), (ns / 1e6).alias("ms"))


def _polars_litellm(file: Path) -> pl.LazyFrame:
    import polars as pl

    schema = {"model": pl.String, "status": pl.String, "startTime": pl.Float64, "endTime": pl.Float64}
    ms = (pl.col("endTime") - pl.col("startTime")) * 1000
    return pl.scan_ndjson(file, schema=schema).select("model", (pl.col("status") == "failure").alias("failed"), ms.alias("ms"))


POLARS_SOURCES = {
    **dict.fromkeys(("jsonl", "gz", "zst"), _polars_json),
    "csv": _polars_csv,
    "nginx": _polars_nginx,
    "otlp": _polars_otlp,
    "litellm": _polars_litellm,
}


def with_polars(form: str) -> Ask:
    """A lazy scan with a schema."""

    def ask(file: Path) -> Iterable[Answer]:
        import polars as pl

        success = pl.col("ms").filter(~pl.col("failed"))
        quantiles = [success.quantile(q, interpolation="equiprobable").alias(f"p{q}") for q in QUANTILES]
        keys = KEYS[form]
        frame = POLARS_SOURCES[form](file).group_by(*keys).agg(pl.len(), pl.col("failed").sum().alias("errors"), *quantiles)
        return (_answer(row, len(keys)) for row in frame.collect(engine="streaming").iter_rows())

    return ask


def _answer(row: tuple[Any, ...], keys: int) -> Answer:
    return Answer(tuple(row[:keys]), row[keys], row[keys + 1], tuple(row[keys + 2 :]))


# --- chdb and the loop -----------------------------------------------------------------------------------------------------


def with_chdb(file: Path) -> Iterable[Answer]:
    """clickhouse-local, exact quantiles, in the process."""
    import chdb

    structure = "workload String, placement String, error Nullable(String), latency_ms Float64"
    levels = ", ".join(f"{q - SLIGHTLY:.15f}" for q in QUANTILES)
    query = f"""
        select workload, placement, count(), count(error), quantilesExactIf({levels})(latency_ms, error is null)
        from file('{file}', JSONEachRow, '{structure}') group by workload, placement"""
    rows = json.loads(str(chdb.query(query, "JSONCompact")))["data"]
    return (Answer((w, p), int(n), int(errors), tuple(map(float, quantiles))) for w, p, n, errors, quantiles in rows)


def with_loop(file: Path) -> Iterable[Answer]:
    """The seed article's profiler, a dictionary of lists, sorted at the end, with its index put right."""
    latencies: dict[tuple[str, str], list[float]] = defaultdict(list)
    errors: dict[tuple[str, str], int] = defaultdict(int)
    with file.open() as lines:
        for line in lines:
            row = json.loads(line)
            key = row["workload"], row["placement"]
            if row["error"] is None:
                latencies[key].append(row["latency_ms"])
            else:
                errors[key] += 1
    for key, values in latencies.items():
        values.sort()
        ranks = (int(len(values) * (q - SLIGHTLY)) for q in QUANTILES)
        yield Answer(key, len(values) + errors[key], errors[key], tuple(values[rank] for rank in ranks))


# --- Miller and GoAccess ---------------------------------------------------------------------------------------------------

_OUR_FIELDS = "$ok = is_null($error); $ms = $latency_ms"
#: How Miller reads the format, and what makes its fields ``ok`` and ``ms``. nginx's lines are cut at blanks.
MILLER_SOURCES = {
    **dict.fromkeys(("gz", "zst"), (("--ijsonl",), _OUR_FIELDS)),
    "csv": (("--icsv",), _OUR_FIELDS),
    "nginx": (("--inidx", "--ifs", " "), "$path = $7; $ok = $9 < 400; $ms = $13 * 1000"),
    "litellm": (("--ijsonl",), '$ok = $status != "failure"; $ms = ($endTime - $startTime) * 1000'),
}


def with_miller(form: str) -> Ask:
    """``stats1`` by group and success; it counts the failures of a group as a group of its own."""

    def ask(file: Path) -> Iterable[Answer]:
        keys, (flags, fields) = KEYS[form], MILLER_SOURCES[form]
        ranks = [f"p{100 * q - 1e-10:.10f}" for q in QUANTILES]
        stats = ("stats1", "-a", ",".join(("count", *ranks)), "-f", "ms", "-g", ",".join((*keys, "ok")))
        command = ("mlr", *flags, "--ojsonl", "--no-auto-unflatten", "put", fields, "then", *stats)
        rows = [json.loads(line) for line in _miller(command, file).splitlines()]
        failures = {tuple(row[key] for key in keys): row["ms_count"] for row in rows if str(row["ok"]).lower() == "false"}
        for row in rows:
            if str(row["ok"]).lower() == "true":
                key = tuple(row[name] for name in keys)
                errors = failures.get(key, 0)
                yield Answer(key, row["ms_count"] + errors, errors, tuple(float(row[f"ms_{rank}"]) for rank in ranks))

    return ask


def _miller(command: tuple[str, ...], file: Path) -> bytes:
    """What Miller says of the file. It unpacks gzip itself; its own ``--prepipe`` may end early, so zstd stands before it."""
    if file.suffix != ".zst":
        return subprocess.run((*command, str(file)), capture_output=True, check=True).stdout
    with subprocess.Popen(("zstd", "-dc", str(file)), stdout=subprocess.PIPE) as unpacking:
        return subprocess.run(command, stdin=unpacking.stdout, capture_output=True, check=True).stdout


def with_goaccess(file: Path) -> Iterable[Answer]:
    """Its report of requests: hits a path, with average, sum and maximum of the time served; and panels nobody asked for."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        layout = '%h %^[%d:%t %^] "%r" %s %b "%R" "%u" %T'
        told = ("--no-global-config", "--no-progress", f"--log-format={layout}", "--date-format=%d/%b/%Y", "--time-format=%H:%M:%S")
        subprocess.run(("goaccess", str(file), *told, "-o", str(report)), capture_output=True, check=True)
        rows = json.loads(report.read_text())["requests"]["data"]
    return [Answer((row["data"],), row["hits"]["count"], None, ()) for row in rows]


# --- who takes part --------------------------------------------------------------------------------------------------------

_ALL_ELSE = "account of lines, intervals, first token, tokens, hours, mixes"


@dataclass(frozen=True)
class Contender:
    """A way to the answer, what has to be installed for it, and what it leaves out of what a profile tells."""

    ask: Ask
    needs: str
    leaves_out: str = _ALL_ELSE

    @property
    def missing(self) -> bool:
        """Whether neither a program nor a package of this name is here."""
        return shutil.which(self.needs) is None and importlib.util.find_spec(self.needs) is None


def _line_up(form: str) -> dict[str, Contender]:
    row = {"duckdb": Contender(with_duckdb(form), "duckdb"), "polars": Contender(with_polars(form), "polars")}
    if form in MILLER_SOURCES:
        row["miller"] = Contender(with_miller(form), "mlr")
    return row


#: By format, in the order of the table.
CONTENDERS: dict[str, dict[str, Contender]] = {form: _line_up(form) for form in KEYS}
CONTENDERS["jsonl"] |= {
    "duckdb-more": Contender(with_duckdb_more, "duckdb", "account of lines, intervals, hours, mixes"),
    "chdb": Contender(with_chdb, "chdb"),
    "loop": Contender(with_loop, "json"),
}
CONTENDERS["nginx"] |= {"goaccess": Contender(with_goaccess, "goaccess", f"quantiles, errors by path; {_ALL_ELSE}")}


def main() -> None:
    form, name, file = sys.argv[1:]
    for answer in sorted(CONTENDERS[form][name].ask(Path(file)), key=lambda each: each.key):
        print(json.dumps({"key": answer.key, "requests": answer.requests, "errors": answer.errors, "ms": answer.ms}))


if __name__ == "__main__":
    main()
