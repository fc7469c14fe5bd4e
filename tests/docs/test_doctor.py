"""The reference of the doctor's checks is what the checks say. `python -m tests.docs.test_doctor` writes it anew."""

from __future__ import annotations

import re

from onebeat.inspector.checks.catalog import CHECKS
from onebeat.inspector.checks.facts import Check
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "doctor.md"
START, END = "<!-- checks -->\n", "<!-- end -->\n"


def entry(check: Check) -> str:
    if not check.can_repair:
        repair = ""
    elif check.is_safe:
        repair = f" `onebeat doctor --repair {check.id}`"
    else:
        repair = f" `onebeat doctor --repair {check.id}`, by this name only"
    return f"### {check.id}\n\n{check.looks}\n\n**Why.** {check.why}\n\n**What to do.** {check.mend}{repair}\n"


def rendered(text: str) -> str:
    head, _, rest = text.partition(START)
    return head + START + "\n" + "\n".join(map(entry, CHECKS)) + "\n" + END + rest.partition(END)[2]


def test_the_page_says_what_the_checks_say() -> None:
    """Every check, in order."""
    assert rendered(PAGE.read_text()) == PAGE.read_text()


def test_every_check_has_a_name_of_its_own_and_three_sentences() -> None:
    """What it looks at, why, and what to do."""
    assert len(CHECKS) == len({check.id for check in CHECKS})
    for check in CHECKS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id)
        assert all(part.endswith(".") for part in (check.looks, check.why)), check.id
        assert check.mend


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
