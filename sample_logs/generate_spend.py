"""A month and a half of spend, and the bill for its November: ``generate.py`` writes both.

Every number is drawn; the prices are those the providers list, and the bill is this file's own arithmetic over the drawn requests.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from generate import count, iso, line, lognormal, starts

FIRST_DAY = datetime(2026, 10, 24, tzinfo=UTC)
DAYS = 45
#: The log was fetched in the afternoon of its last day.
CUT_AT = datetime(2026, 12, 7, 14, 0, tzinfo=UTC)
#: From this day on a new feature asks the assistant three times as often.
JUMP = datetime(2026, 11, 19, tzinfo=UTC)
#: USD per million tokens, in and out: what mistral-large-4 cost to 28 October and since, and gpt-4o-mini.
LARGE = ((Decimal("1.36"), Decimal("4.18")), (Decimal("0.7"), Decimal("2.1")))
LARGE_CHANGED = datetime(2026, 10, 29, tzinfo=UTC)
MINI = (Decimal("0.15"), Decimal("0.6"))
#: Workers AI: neurons per million tokens, the first 10,000 a day free, then 0.011 USD per 1,000.
EDGE_NEURONS = (Decimal(4119), Decimal(34868))
DISCOUNT = Decimal("0.9")


def spend_rows(rng: Random) -> list[dict[str, Any]]:
    """Every request in order; of the answers of a house model nobody knows a price."""
    rows = [*_assistant(rng), *_moderation(rng), *_drafts(rng), *_house(rng)]
    return sorted((row for row in rows if row["timestamp"] < iso(CUT_AT)), key=lambda row: str(row["timestamp"]))


def month_and_a_half(rng: Random) -> bytes:
    """The log, gzipped."""
    return gzip.compress(b"".join(map(line, spend_rows(rng))), compresslevel=9, mtime=0)


def _row(at: datetime, workload: str, placement: str, provider: str, model: str, **more: Any) -> dict[str, Any]:
    named = {"workload": workload, "placement": placement, "provider": provider, "model": model}
    return {"timestamp": iso(at), **named, "status": 200, **more}


def _assistant(rng: Random) -> Iterator[dict[str, Any]]:
    """Priced by the book, whose price fell on 29 October; every 40th call fails and tells no tokens."""
    asked = [*starts(rng, 900, DAYS, FIRST_DAY), *starts(rng, 900, (FIRST_DAY + timedelta(days=DAYS) - JUMP).days, JUMP)]
    for n, at in enumerate(sorted(asked), start=1):
        told = {"input_tokens": count(rng, 9000, 14000), "output_tokens": count(rng, 700, 1200)}
        row = _row(at, "assistant", "cloud", "mistral", "mistral-large-4", latency_ms=round(lognormal(rng, 4200, 12000), 1))
        yield row | {"status": 503} if n % 40 == 0 else row | told


def _moderation(rng: Random) -> Iterator[dict[str, Any]]:
    """The gateway logged what each cost."""
    for at in starts(rng, 700, DAYS, FIRST_DAY):
        told = {"input_tokens": count(rng, 3000, 6000), "output_tokens": count(rng, 20, 60)}
        cost = (told["input_tokens"] * MINI[0] + told["output_tokens"] * MINI[1]) / 1_000_000
        row = _row(at, "moderation", "cloud", "openai", "gpt-4o-mini", latency_ms=round(lognormal(rng, 600, 1900), 1))
        yield row | told | {"cost_usd": float(cost)}


def _drafts(rng: Random) -> Iterator[dict[str, Any]]:
    """At the edge, in neurons, of which the first 10,000 a day are free."""
    for at in starts(rng, 900, DAYS, FIRST_DAY):
        told = {"input_tokens": count(rng, 60_000, 120_000), "output_tokens": count(rng, 18_000, 40_000)}
        model = "@cf/meta/llama-3.1-8b-instruct-fp8-fast"
        yield _row(at, "drafts", "edge", "workers-ai", model, latency_ms=round(lognormal(rng, 9000, 30000), 1), **told)


def _house(rng: Random) -> Iterator[dict[str, Any]]:
    for at in starts(rng, 60, DAYS, FIRST_DAY):
        told = {"input_tokens": count(rng, 900, 2000), "output_tokens": count(rng, 100, 300)}
        yield _row(at, "search", "cloud", "acme", "house-7b", latency_ms=round(lognormal(rng, 300, 900), 1), **told)


# The bill -------------------------------------------------------------------------------------------------------------

_COLUMNS = (
    "BillingAccountId", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ProviderName", "ServiceCategory", "ServiceName", "BilledCost", "EffectiveCost",
)  # fmt: skip
_NOVEMBER = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
_AI = "AI and Machine Learning"


def daily_usd(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Decimal]:
    """What each provider charges for each day."""
    usd: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    neurons: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if "input_tokens" not in row:
            continue
        day, provider, tokens = row["timestamp"][:10], row["provider"], (row["input_tokens"], row["output_tokens"])
        if provider == "workers-ai":
            neurons[day] += sum(n * each for n, each in zip(tokens, EDGE_NEURONS, strict=True)) / 1_000_000
        elif provider != "acme":
            rates = MINI if provider == "openai" else LARGE[day >= f"{LARGE_CHANGED:%Y-%m-%d}"]
            usd[provider, day] += sum(n * each for n, each in zip(tokens, rates, strict=True)) / 1_000_000
    usd |= {("workers-ai", day): max(Decimal(0), used - 10_000) / 1000 * Decimal("0.011") for day, used in neurons.items()}
    return usd


def focus_bill(rng: Random) -> bytes:
    """November as a FOCUS 1.2 export: Mistral at a discount of 10 % that the logs know nothing of, the others as listed."""
    usd, text = daily_usd(spend_rows(rng)), io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    names = {"mistral": ("Mistral AI", "La Plateforme"), "openai": ("OpenAI", "OpenAI API"), "workers-ai": ("Cloudflare", "Workers AI")}
    for (provider, day), each in sorted(usd.items()):
        if not day.startswith("2026-11"):
            continue
        start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
        amount = round(each * (DISCOUNT if provider == "mistral" else 1), 8)
        writer.writerow(_charge(start, start + timedelta(days=1), "Usage", *names[provider], _AI, amount, amount))
    taxed = sum((round(each, 8) for (_, day), each in usd.items() if day.startswith("2026-11")), Decimal(0))
    writer.writerow(_charge(*_NOVEMBER, "Tax", "Mistral AI", "La Plateforme", _AI, round(taxed / 10, 2), round(taxed / 10, 2)))
    writer.writerow(_charge(*_NOVEMBER, "Credit", "OpenAI", "OpenAI API", _AI, Decimal("-0.05"), Decimal("-0.05")))
    writer.writerow(_charge(*_NOVEMBER, "Usage", "AWS", "Amazon Simple Storage Service", "Storage", Decimal("1.20"), Decimal("1.20")))
    earlier = _charge(*_NOVEMBER, "Usage", "OpenAI", "OpenAI API", _AI, Decimal("-0.02"), Decimal("-0.02"))
    writer.writerow(earlier | {"ChargeClass": "Correction", "ChargeDescription": "October, charged twice"})
    return text.getvalue().encode()


def _charge(
    start: datetime, end: datetime, category: str, provider: str, service: str, kind: str, billed: Decimal, effective: Decimal
) -> dict[str, str]:
    first, last = _NOVEMBER
    times = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (first, last, start, end))
    told = ("acct-0001", "USD", *times, category, "", f"{service}, {category.lower()}", provider, kind, service)
    return dict(zip(_COLUMNS, (*told, f"{billed:f}", f"{effective:f}"), strict=True))
