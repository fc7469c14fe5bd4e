"""Why somebody could not be signed in, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Trouble(Exception):  # noqa: N818 - no fault of the console's
    """
    A sign-in that came to nothing.

    Args:
        status: Of the answer.

        sentence: For the page.

        detail: For the log: what a reader of the page need not see.
    """

    def __init__(self, status: int, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.detail = detail


class Away(Trouble):
    """The provider gives no answer, or says that it cannot now."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(503, f"{name} gives no answer. Try again in a moment.", detail)


class Unbelievable(Trouble):
    """The provider answers what cannot be: it is set up wrongly here or there, or it is not the provider."""

    def __init__(self, name: str, why: str, detail: str = "") -> None:
        super().__init__(502, f"The answer of {name} was not taken: {why}.", detail)


class Unknown(Trouble):
    """No sign-in is under way in this browser that an answer belongs to."""

    def __init__(self) -> None:
        super().__init__(
            400,
            "This answer belongs to no sign-in that is under way in this browser: it took more than ten minutes, is "
            "finished already, or was begun elsewhere.",
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What a claim said.

    Attributes:
        claim: Its name.

        values: As many as are shown.

        more: How many are not.

        note: Why it does not count, or is not there; "" if there is nothing to say.
    """

    claim: str
    values: tuple[str, ...]
    more: int = 0
    note: str = ""


class NoRole(Trouble):
    """
    The provider knows who it is, and nothing here says what they may do.

    Args:
        user: The name.

        seen: What the claims said that could have granted a role.
    """

    def __init__(self, name: str, user: str, seen: tuple[Seen, ...]) -> None:
        super().__init__(
            403, f"{name} knows you as {user}, and nothing that it says of you grants a role on this console."
        )
        self.user = user
        self.seen = seen


SAID: Final[Mapping[str, tuple[int, str]]] = {
    "access_denied": (403, "{name} did not let you in, or you turned back."),
    "login_required": (403, "{name} wants you to sign in there first."),
    "interaction_required": (403, "{name} wants to ask you something first: sign in there."),
    "account_selection_required": (403, "{name} wants you to choose an account first."),
    "consent_required": (403, "{name} wants your consent first."),
    "temporarily_unavailable": (503, "{name} cannot do it now. Try again in a moment."),
    "server_error": (503, "{name} failed. Try again in a moment."),
    "invalid_scope": (502, "{name} does not know a scope that it was asked for: see --oidc-scope."),
    "unauthorized_client": (502, "{name} does not let this console ask for sign-ins: see the client's settings there."),
    "invalid_client": (502, "{name} does not know this console, or its secret is not the right one."),
    "invalid_grant": (502, "{name} does not take back the code that it gave: sign in again."),
    "invalid_request": (502, "{name} does not understand how it was asked."),
}
"""What a provider may say in place of a user: RFC 6749, 4.1.2.1 and 5.2; OpenID Connect Core, 3.1.2.6."""


def said(name: str, code: str, description: str = "") -> Trouble:
    """
    Put an error of the provider in plain words.

    Args:
        code: The error, as it was said.

        description: What was said besides.
    """
    status, sentence = SAID.get(code, (502, "{name} refused, and gave no reason that is known here."))
    told = printable(description)
    return Trouble(
        status,
        sentence.format(name=name) + (f" It says: “{told}”" if told else ""),
        f"error {printable(code)!r} {printable(description)!r}",
    )


def printable(text: str, most: int = 200) -> str:
    """Return a text from elsewhere in one line that is not long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * most])
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
