"""Any HTTP request: the payload says method, path, headers and body; the answer's body is read and not understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeroi.dialects.dialect import JSON_HEADERS, Asked, Listener, Whole, json_body
from edgeroi.errors import EdgeroiError

_KEYS = ("method", "path", "headers", "body", "json")


class Http:
    """See the module."""

    name = "http"

    def ask(self, payload: Mapping[str, Any], model: str | None, stream: bool) -> Asked:
        """``{method, path, headers, body | json}``, all of them optional: GET of the target's URL."""
        if strange := next((key for key in payload if key not in _KEYS), None):
            raise EdgeroiError(f"unknown key {strange!r} in an http payload", key="payloads", fix=f"known: {', '.join(_KEYS)}")
        headers = {str(name).lower(): str(value) for name, value in dict(payload.get("headers") or {}).items()}
        if "json" in payload:
            return Asked(
                str(payload.get("method", "POST")).upper(),
                str(payload.get("path", "")),
                {**JSON_HEADERS, **headers},
                json_body(payload["json"]),
            )
        body = str(payload.get("body", "")).encode()
        return Asked(str(payload.get("method", "POST" if body else "GET")).upper(), str(payload.get("path", "")), headers, body)

    def of_text(self, text: str, key: str | None) -> Mapping[str, Any]:
        """The text as the body, or as a JSON value under ``key``."""
        return {"json": {key: text}} if key else {"body": text}

    def listen(self, stream: bool) -> Listener:
        """A listener that understands nothing."""
        return Whole()

    def most_output_tokens(self, payload: Mapping[str, Any]) -> int | None:
        """No tokens are known."""
        return None


DIALECT = Http()
