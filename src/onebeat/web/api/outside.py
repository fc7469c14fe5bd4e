"""What the gate refuses before the API is asked, said as the API says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from onebeat.web.api import problems
from onebeat.web.api.serving import RETRY_AFTER_S, page_of, refusal
from onebeat.web.security import gate

_CODES: Final[Mapping[int, str]] = {408: "malformed", 414: "malformed", 431: "malformed", 503: "nobody-known"}
"""Codes of statuses that the API itself never answers, or for another reason."""


def refused(request: Request, status: int, sentence: str) -> Response:
    """Answer in place of the API."""
    is_crossing = status == 403 and request.method not in ("GET", "HEAD", "OPTIONS")
    if status == 503 and gate.identity(request) is not None:  # who asks is known, and the store is away
        return refusal(problems.problem("store-away", sentence, page_of(request)), {"Retry-After": str(RETRY_AFTER_S)})
    code = "cross-site" if is_crossing else _CODES.get(status) or problems.code_of_status(status)
    return refusal(problems.problem(code, sentence, page_of(request)))
