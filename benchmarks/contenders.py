"""The same percentiles by other means: ``python benchmarks/contenders.py NAME FILE`` prints one JSON object a group.

Each answers: requests, errors, and p50, p90, p95, p99 of the successes' latency, by workload and placement.
None of them accounts for a line: a broken one stops the loop and chdb, and the others read it as nulls or stop, by version.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

QUANTILES = (0.50, 0.90, 0.95, 0.99)

Answer = tuple[str, str, int, int, list[float]]


def with_duckdb(file: Path) -> Iterable[Answer]:
    """Explicit columns, so that nothing is sniffed; only the columns asked for are converted."""
    import duckdb

    query = f"""
        select workload, placement, count(*), count(error),
               quantile_disc(latency_ms, {list(QUANTILES)}) filter (where error is null)
        from read_ndjson('{file}', columns = {{workload: 'varchar', placement: 'varchar', error: 'varchar', latency_ms: 'double'}})
        group by all"""
    return duckdb.sql(query).fetchall()


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
    return [row[:5] for row in duckdb.sql(query).fetchall()]


def with_polars(file: Path) -> Iterable[Answer]:
    """A lazy scan with a schema; ``lower`` is the nearest rank's neighbour, within one rank of it."""
    import polars as pl

    schema = {"workload": pl.String, "placement": pl.String, "error": pl.String, "latency_ms": pl.Float64}
    success = pl.col("latency_ms").filter(pl.col("error").is_null())
    quantiles = [success.quantile(q, interpolation="lower").alias(f"p{q}") for q in QUANTILES]
    frame = pl.scan_ndjson(file, schema=schema).group_by("workload", "placement").agg(pl.len(), pl.col("error").count(), *quantiles)
    return ((w, p, n, errors, list(rest)) for w, p, n, errors, *rest in frame.collect().iter_rows())


def with_chdb(file: Path) -> Iterable[Answer]:
    """clickhouse-local, exact quantiles, in the process."""
    import chdb

    structure = "workload String, placement String, error Nullable(String), latency_ms Float64"
    query = f"""
        select workload, placement, count(), count(error), quantilesExactIf({", ".join(map(str, QUANTILES))})(latency_ms, error is null)
        from file('{file}', JSONEachRow, '{structure}') group by workload, placement"""
    rows = json.loads(str(chdb.query(query, "JSONCompact")))["data"]
    return ((w, p, int(n), int(errors), list(map(float, quantiles))) for w, p, n, errors, quantiles in rows)


def with_loop(file: Path) -> Iterable[Answer]:
    """The seed article's profiler: a dictionary of lists, sorted at the end; its index is kept, with its off-by-one."""
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
        yield *key, len(values) + errors[key], errors[key], [values[int(len(values) * q)] for q in QUANTILES]


CONTENDERS: dict[str, Callable[[Path], Iterable[Answer]]] = {
    "duckdb": with_duckdb,
    "duckdb-more": with_duckdb_more,
    "polars": with_polars,
    "chdb": with_chdb,
    "loop": with_loop,
}


def main() -> None:
    name, file = sys.argv[1:]
    for workload, placement, requests, errors, quantiles in sorted(CONTENDERS[name](Path(file))):
        print(json.dumps({"workload": workload, "placement": placement, "requests": requests, "errors": errors, "ms": list(quantiles)}))


if __name__ == "__main__":
    main()
