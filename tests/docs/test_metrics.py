"""The reference names every series there is, as the program has it."""

from __future__ import annotations

import re

from onebeat.observe.instruments import INSTRUMENTS, Kind
from onebeat.observe.prometheus.series import OF_QUEUES, STORE
from tests.docs.pages import ROOT

ROW = re.compile(r"^\| `((?:asynq|onebeat)_\w+)` \| (\w+) \| (.+?) \| (.+) \|$", re.MULTILINE)
TYPES = {Kind.COUNTER: "counter", Kind.LEVEL: "gauge", Kind.HISTOGRAM: "histogram"}


def test_every_series_has_a_row() -> None:
    """With its type, its labels and its meaning; and no row is of a series that is none."""
    known = {each.name: (each.kind, each.labels, each.help) for each in OF_QUEUES}
    known |= {name: ("gauge", labels, meaning) for name, (meaning, labels) in STORE.items()}
    known |= {each.series: (TYPES[each.kind], each.labels, each.help) for each in INSTRUMENTS}
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    rows = {
        name: (kind, () if labels == "–" else tuple(labels.split(", ")), meaning)
        for name, kind, labels, meaning in ROW.findall(page)
    }
    assert known == rows


def test_pages_name_only_series_that_there_are() -> None:
    """In queries, too."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    known = {name for name, *_ in ROW.findall(page)}
    known |= {f"{name}_{end}" for name in known for end in ("bucket", "sum", "count")}
    for guide in ("metrics", "autoscale", "alerts"):
        text = (ROOT / "docs" / "how-to" / f"{guide}.md").read_text()
        assert set(re.findall(r"\b(?:asynq|onebeat)_[a-z_]*[a-z]\b(?!\()", text)) <= known, guide
