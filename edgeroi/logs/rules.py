r"""Rules: what a label follows from where the log does not say it, as placement from the host and workload from the path.

In a mapping file, by column; of a column's rules the first that fits decides::

    rules:
      workload:
        - {path: ^/v1/chat/, is: chat}
        - {path: "^/models/([^/]+)/"}            # no `is`: the workload is what the pattern finds, its first group
      placement:
        - {file: /edge/, is: edge}
        - {provider: ^cloudflare$, is: edge}
        - {host: "\\.internal$", method: POST, is: cloud}   # all conditions must fit
      skip:
        - {path: ^/(healthz|metrics)$}           # no inference: skipped as other_record

A condition is ``file`` (the path of the log as it was named), a canonical column, or a field of the log, and a regular expression
that is looked for in it. Columns are decided in the order they stand in, so a later one may look at an earlier one. Where no rule
fits, the request keeps what the log itself says, and stays unknown where it says nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgeroi.request import Batch, Labels

if TYPE_CHECKING:
    from edgeroi.logs.format import Chunk
    from edgeroi.logs.reading import Reading

#: The condition on the log's own path.
FILE = "file"

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rule:
    """What ``column`` is where all conditions fit; a request is skipped where ``column`` is ``None``.

    ``conditions``: column (or ``file``) and the pattern that must be found in it. ``value``: ``None`` for what the only pattern finds.
    """

    column: str | None
    conditions: tuple[tuple[str, str], ...]
    value: str | None = None


_pattern = lru_cache(maxsize=1024)(re.compile)


@lru_cache(maxsize=1 << 16)
def found(pattern: str, text: str) -> str | None:
    """What a pattern finds in a text: its first group, or all of the match; ``None`` where it finds nothing."""
    match = _pattern(pattern).search(text)
    return match and (match.group(1) if match.re.groups else match.group())


def ruled(chunk: Chunk, reading: Reading) -> Chunk:
    """The chunk with what the rules say of its requests; labels that only rules look at are left out, a format's hidden ones stay."""
    if not reading.rules:
        return chunk
    if chunk.partial is not None:
        return replace(chunk, notes=(*chunk.notes, "a saved profile keeps the labels it was saved with: rules do not apply to it"))
    if chunk.batch is None or not chunk.batch.n:
        return chunk
    decided, skipped = _decided(chunk.batch, reading)
    hidden = chunk.batch.labels.keys() - set(reading.kept)
    wanted = hidden | {*reading.by, *reading.beside}
    batch = replace(chunk.batch, labels={column: labels for column, labels in decided.items() if column in wanted})
    gone = int(np.count_nonzero(skipped))
    return replace(chunk, batch=batch) if not gone else _without(replace(chunk, batch=batch), skipped, gone)


def ruled_labels(labels: Mapping[str, str], reading: Reading) -> dict[str, str | None] | None:
    """The labels of something that is no request, as the rules and what is constant leave them; ``None`` where it is skipped."""
    alone = Batch(1, np.zeros(1, np.bool_), labels={column: Labels.constant(text, 1) for column, text in labels.items()})
    decided, skipped = _decided(alone, reading)
    codes = {column: int(told.codes[0]) for column, told in decided.items()}
    return None if skipped[0] else {column: decided[column].names[code] if code >= 0 else None for column, code in codes.items()}


def _decided(batch: Batch, reading: Reading) -> tuple[dict[str, Labels], Bools]:
    """All labels as the rules leave them, and which requests are skipped."""
    labels = dict(batch.labels) | {column: Labels.constant(text, batch.n) for column, text in reading.const.items()}
    labels[FILE] = Labels.constant(reading.file or "", batch.n)
    skipped = np.zeros(batch.n, np.bool_)
    for column in dict.fromkeys(rule.column for rule in reading.rules):
        rules = [rule for rule in reading.rules if rule.column == column]
        if column is None:
            for rule in rules:
                skipped |= _fits(rule, labels, batch.n)
        else:
            labels[column] = _by_rules(rules, labels, column, batch.n)
    return labels, skipped


def _by_rules(rules: Sequence[Rule], labels: Mapping[str, Labels], column: str, n: int) -> Labels:
    """A column by the first rule that fits each request, else as it is."""
    names: dict[str, int] = {}
    own = labels.get(column)
    codes = np.full(n, -1, np.int32) if own is None else _recoded(own, own.names, names)
    open_ = np.ones(n, np.bool_)
    for rule in rules:
        fits = _fits(rule, labels, n) & open_
        if fits.any():
            codes[fits] = _said(rule, labels, names, n)[fits]
            open_ &= ~fits
    return Labels(codes, tuple(names))


def _fits(rule: Rule, labels: Mapping[str, Labels], n: int) -> Bools:
    fits = np.ones(n, np.bool_)
    for column, pattern in rule.conditions:
        seen = labels.get(column)
        if seen is None:
            return np.zeros(n, np.bool_)
        # The last place stands for unknown, whose code is -1: nothing is found in it.
        fits &= np.array([*(found(pattern, name) is not None for name in seen.names), False])[seen.codes]
    return fits


def _said(rule: Rule, labels: Mapping[str, Labels], names: dict[str, int], n: int) -> NDArray[np.int32]:
    """The codes of what a rule says, wherever it fits."""
    if rule.value is not None:
        return np.full(n, names.setdefault(rule.value, len(names)), np.int32)
    column, pattern = rule.conditions[0]
    seen = labels[column]
    return _recoded(seen, [found(pattern, name) for name in seen.names], names)


def _recoded(labels: Labels, said: Sequence[str | None], names: dict[str, int]) -> NDArray[np.int32]:
    """The codes of a column whose names have become others; an empty text is unknown."""
    places = [names.setdefault(name, len(names)) if name else -1 for name in said]
    return np.array([*places, -1], np.int32)[labels.codes]


def _without(chunk: Chunk, skipped: Bools, gone: int) -> Chunk:
    """The chunk less its skipped requests, which its account tells as other records."""
    batch = chunk.batch
    assert batch is not None
    rows = np.flatnonzero(~skipped)
    left = Batch(
        rows.size,
        batch.failed[rows],
        {column: values[rows] for column, values in batch.numbers.items()},
        {column: Labels(labels.codes[rows], labels.names) for column, labels in batch.labels.items()},
        None if batch.instants is None else batch.instants[rows],
    )
    told = dict(sorted((Counter(chunk.lines.skipped) + Counter(other_record=gone)).items()))
    return replace(chunk, batch=left, lines=replace(chunk.lines, profiled=chunk.lines.profiled - gone, skipped=told))
