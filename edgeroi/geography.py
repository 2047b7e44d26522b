"""How far regions lie apart, and how fast light gets there: no round trip is shorter, wherever it is claimed.

Light in glass covers about 200,000 km/s, so a round trip takes at least 1 ms per 100 km of path; the path is at least the great circle.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import asin, cos, radians, sin, sqrt

EARTH_RADIUS_KM = 6371.0
KM_PER_ROUND_TRIP_MS = 100.0

#: Latitude and longitude in degrees of the metropolitan area each region of the round-trip table stands for.
REGIONS: Mapping[str, tuple[float, float]] = {
    "us-east": (38.9, -77.5),  # northern Virginia
    "us-east-2": (36.7, -78.4),  # southern Virginia
    "us-central": (41.6, -93.6),  # Iowa
    "us-west": (37.4, -122.0),  # California
    "eu-north": (53.3, -6.3),  # Ireland
    "eu-west": (52.4, 4.9),  # Netherlands
    "eu-central": (50.1, 8.7),  # Frankfurt
    "me-central": (25.3, 55.3),  # Dubai
    "ap-south": (18.5, 73.9),  # Pune
    "ap-southeast": (1.3, 103.8),  # Singapore
    "ap-northeast": (35.7, 139.7),  # Tokyo
    "au-east": (-33.9, 151.2),  # Sydney
    "sa-east": (-23.5, -46.6),  # Sao Paulo
    "af-south": (-26.2, 28.0),  # Johannesburg
}


def distance_km(one: str, other: str) -> float | None:
    """The great circle between two regions, by the haversine; ``None`` where one of them is not in the table."""
    if one not in REGIONS or other not in REGIONS:
        return None
    (lat, lon), (lat2, lon2) = ((radians(lat), radians(lon)) for lat, lon in (REGIONS[one], REGIONS[other]))
    chord = sin((lat2 - lat) / 2) ** 2 + cos(lat) * cos(lat2) * sin((lon2 - lon) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(chord))


def floor_ms(km: float) -> float:
    """The shortest round trip over this distance: 4,000 km are 40 ms."""
    return km / KM_PER_ROUND_TRIP_MS
