"""Reads logs on a Spark cluster: the very same reader, over partitions instead of processes.

Files of lines are cut into the ranges that the local engine cuts; gz, zst and tables are read a file at a time. Partial profiles and
accounts come back and add up as those of processes do, so that the profile is the local one, bucket for bucket and line for line; a
partition that is lost with its worker is read again, and counts once. The logs must be where every worker can read them under the
same path or address, and edgeroi must be installed there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from edgeroi.engines.counting import merge
from edgeroi.engines.reader import Plan, Reader
from edgeroi.engines.workers import Run
from edgeroi.errors import EdgeroiError, InternalFault, Place

#: Partitions for each core: where a worker is lost, what it had in hand is read again.
_PARTITIONS_OF_CORE = 4


def on_spark(master: str | None = None) -> Callable[[Run], None]:
    """How a run is read on the cluster at ``master``, or on the one this process belongs to; without either, on the cores here.

    Raises ``EdgeroiError`` where pyspark or Java is missing, the cluster cannot be reached, or a log can be read only here.
    """

    def go(run: Run) -> None:
        once_only = next((input.source.path for input in run.plan.inputs if input.source.bytes is None), None)
        if once_only is not None:
            raise EdgeroiError(
                "can be read only here, not by a cluster", place=Place(once_only), fix="name a file that every worker reaches"
            )
        with _context(master) as context:
            for kind, told in _told_by(context, run.plan):
                if kind == "part":
                    run.take(told)
                elif kind == "partials":
                    merge(run.partials, told)
                elif kind == "mistake":
                    raise EdgeroiError(told)
                else:
                    raise InternalFault(told)

    return go


def _told_by(context: Any, plan: Plan) -> list[tuple[str, Any]]:
    """What all partitions tell."""
    tasks = len(plan.tasks)
    if not tasks:
        return []
    shared = context.broadcast(replace(plan, spool=None, all_faults=plan.spool is not None))
    partitions = min(tasks, context.defaultParallelism * _PARTITIONS_OF_CORE)
    told: list[tuple[str, Any]] = context.parallelize(range(tasks), partitions).mapPartitions(_reading(shared)).collect()
    shared.unpersist()
    return told


def _reading(shared: Any) -> Callable[[Iterator[int]], Iterator[tuple[str, Any]]]:
    """What a worker does with a partition: its tasks, then what they came to."""

    def read(numbers: Iterator[int]) -> Iterator[tuple[str, Any]]:
        try:
            reader = Reader(shared.value, lambda read: None, lambda: False)
            for number in numbers:
                for part in reader.read(number):
                    yield "part", part
            yield "partials", reader.partials()
        except EdgeroiError as error:
            yield "mistake", str(error)

    return read


@contextmanager
def _context(master: str | None) -> Iterator[Any]:
    """The context of this process, or a new one that ends with the run."""
    try:
        from pyspark import SparkConf, SparkContext
        from pyspark.errors import PySparkException
    except ModuleNotFoundError:
        raise EdgeroiError("pyspark is not installed", key="--engine spark", fix="pip install 'edgeroi[spark]'") from None
    from py4j.protocol import Py4JError

    held = SparkContext._active_spark_context
    try:
        context = held or SparkContext(conf=_configured(SparkConf(), master))
    except (PySparkException, Py4JError, OSError) as error:
        raise EdgeroiError(f"no Spark: {_first_line(error)}", key="--engine spark", fix=_advice(master)) from None
    try:
        yield context
    except Py4JError as error:
        raise EdgeroiError(f"the cluster gave up: {_first_line(error)}", key="--engine spark", fix="see the log of its driver") from None
    finally:
        if held is None:
            context.stop()


def _configured(conf: Any, master: str | None) -> Any:
    conf = conf.setAppName("edgeroi profile")
    if master is not None:
        conf = conf.setMaster(master)
    elif conf.get("spark.master") is None:
        conf = conf.setMaster("local[*]")
    # Workers on this machine have the interpreter that has edgeroi; elsewhere PYSPARK_PYTHON names theirs.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return conf.set("spark.ui.showConsoleProgress", "false").set("spark.ui.enabled", "false")


def _advice(master: str | None) -> str:
    return f"is {master} up, and Java 17 installed?" if master else "install Java 17, or name a cluster with --master"


def _first_line(error: Exception) -> str:
    said = str(getattr(error, "java_exception", "") or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
