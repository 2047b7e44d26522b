"""The figures behind the questions, as scripts read them: utilisation, model or place, users' regions, cheaper fixes, warnings."""

from __future__ import annotations

from collections.abc import Mapping

from edgeroi.attribution import Attribution, Parts, StandIn
from edgeroi.gain import Gain
from edgeroi.option import Option
from edgeroi.regions import UserRegion
from edgeroi.remedies import Remedy, network_shares
from edgeroi.report import Json
from edgeroi.utilisation import Utilisation


def utilisation_document(found: Utilisation) -> Mapping[str, Json]:
    """The utilisation for scripts."""
    servers, rhythm = found.servers, found.servers.rhythm
    inversions: dict[str, Json] = {
        f"{each.against}_pool": {
            "mean": each.mean,
            "p99": each.p99,
            "inverted_mean": found.inverted(each.against, "mean"),
            "inverted_p99": found.inverted(each.against, "p99"),
        }
        for each in found.inversions
    }
    split: Json = None
    if found.split:
        split = {
            "servers": found.split.servers,
            "pooled": found.split.pooled,
            "penalty": found.split.penalty,
            "penalty_usd_month": found.split_usd_month,
            "p_wait": found.split.p_wait,
        }
    return {
        "servers": servers.count,
        "sites": servers.sites,
        "holds_ms": found.holds_ms,
        "rho_average": found.average,
        "rho_peak": found.peak,
        "peak_at": rhythm.peak_at or None,
        "period": rhythm.period,
        "network_saved_ms": found.network_ms,
        "inversion": inversions or None,
        "wait_peak_ms": {"mean": found.wait_mean_ms, "p99": found.wait_p99_ms},
        "usd_month": found.usd_month,
        "idle_usd_month": found.idle_usd_month,
        "splitting": split,
        "in_progress_peak": rhythm.in_progress,
        "basis": "modelled",
    }


def gain_document(gain: Gain) -> dict[str, Json]:
    """Where the gain comes from: the keys of a workload."""
    return {
        "model_or_place": _attribution(gain.attribution) if gain.attribution else None,
        "users_in": [_region(each) for each in gain.regions],
        "one_round_trip_for_all": gain.one_rtt,
        "cheaper_fixes": [_remedy(each) for each in gain.remedies],
        "warnings": [{"kind": sign.kind, "message": sign.said, "value": sign.value, "p_value": sign.p_value} for sign in gain.symptoms],
    }


def network_shares_document(baseline: Option) -> Json:
    """The network's share of the whole answer and of the first token."""
    shares = network_shares(baseline)
    return {"e2e": shares.e2e, "ttft": shares.ttft}


def _attribution(found: Attribution) -> Json:
    return {
        "saved_ms": {"p50": _parts(found.saved_p50_ms), "mean": _parts(found.saved_mean_ms), "p99": _parts(found.saved_p99_ms)},
        "usd_month": _parts(found.usd_month),
        "quality": _parts(found.quality),
        "new_model_old_place": {"option": found.new_model, "row": _stand_in(found.new_model_row)},
        "old_model_new_place": {"option": found.new_place, "row": _stand_in(found.new_place_row)},
        "asks": list(found.asks),
    }


def _parts(parts: Parts | None) -> Json:
    return {"whole": parts.whole, "model": parts.model, "place": parts.place, "orders": parts.orders} if parts else None


def _stand_in(row: StandIn | None) -> Json:
    return {"reference": row.reference, "usd_month": row.usd_month} if row else None


def _region(each: UserRegion) -> Json:
    nearer: Json = None
    if each.nearer:
        near = each.nearer
        nearer = {
            "region": near.region,
            "offer": near.offer,
            "saves_ms": near.saves_ms,
            "premium_usd_month": near.usd_month,
            "candidate_premium_usd_month": near.edge_usd_month,
            "wins": near.wins,
        }
    return {
        "region": each.region,
        "share": each.share,
        "baseline_network_ms": each.baseline_ms,
        "candidate_network_ms": each.candidate_ms,
        "saves_ms": each.saves_ms,
        "felt": each.felt,
        "nearer": nearer,
    }


def _remedy(each: Remedy) -> Json:
    return {
        "name": each.name,
        "saves_ms": each.saves_ms,
        "usd_month": each.usd_month,
        "condition": each.condition or None,
        "missing": each.missing or None,
    }
