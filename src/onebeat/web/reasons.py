"""Why somebody does something, in their own words: read within bounds, and asked for where the console is told so."""

from __future__ import annotations

import re
from typing import Final

from starlette.exceptions import HTTPException

from onebeat.inspector.auditing import LENGTHS
from onebeat.web.security.roles import LOSING
from onebeat.web.settings import Settings

MOST: Final = LENGTHS["reason"]
"""Characters of a reason."""

_CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]")
"""What would make it more than a line, or steer who shows it."""


class NoReason(HTTPException):
    """
    What is to be done needs a reason, and none is given.

    Args:
        action: What is to be done.
    """

    code = "reason-missing"

    def __init__(self, action: str) -> None:
        super().__init__(422, missing(action))


def missing(action: str) -> str:
    """Say that a reason is missing."""
    return f"{action} needs a reason here: say why, in a line of at most {MOST} characters. Nothing was done."


def needs(settings: Settings, action: str, *, is_many: bool = False) -> bool:
    """
    Whether something is only done once somebody has said why.

    Args:
        action: Such as "task.delete".

        is_many: Whether it is done to all that fit a filter.
    """
    return settings.require_reason and (is_many or action in LOSING)


def fault(settings: Settings, action: str, given: str, *, is_many: bool = False) -> str:
    """Say what is wrong with a reason, for the form that asks for it; "" if nothing is. See `needs`."""
    try:
        reason = read(given)
    except HTTPException as error:
        return error.detail
    return missing(action) if not reason and needs(settings, action, is_many=is_many) else ""


def read(text: str) -> str:
    """
    Return a reason as it is kept, but for what redaction hides; "" if nothing of it can be seen.

    Raises:
        HTTPException: 422: it is too long, or more than a line.
    """
    reason = text.strip()
    if len(reason) > MOST:
        raise HTTPException(422, f"reason has {len(reason):,} characters: give at most {MOST}. Nothing was done.")
    if found := _CONTROLS.search(reason):
        raise HTTPException(
            422, f"reason has the control character U+{ord(found[0]):04X}: give one line of text. Nothing was done."
        )
    return reason if any(sign.isprintable() and not sign.isspace() for sign in reason) else ""
