"""``edgeroi selftest``: what the probe itself adds on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from edgeroi.cli import options


def selftest(
    requests: Annotated[int, typer.Option("--requests", min=20, max=100_000, help="How many requests.")] = 400,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=2_000.0, help="Requests a second.")] = 50.0,
    form: options.FormatOption = options.ReportFormat.table,
    output: options.OutputOption = None,
) -> None:
    """Probe a server of known delays on loopback: what the probe itself adds, at p50 and p99.

    edgeroi selftest --rate 200

    edgeroi selftest --requests 1000 --format json
    """
    from edgeroi import __version__
    from edgeroi.cli.output import write_report
    from edgeroi.probe_report import selftest_report
    from edgeroi.selftest import self_test

    write_report(selftest_report(self_test(requests, rate), __version__), form.value, output)
