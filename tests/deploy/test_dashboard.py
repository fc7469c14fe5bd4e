"""The Grafana dashboard: it has Grafana's shape, and asks for series that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from onebeat.observe.instruments import INSTRUMENTS, Kind
from onebeat.observe.prometheus.series import OF_QUEUES, STORE
from tests.deploy.files import DEPLOY

FILE = DEPLOY / "grafana" / "onebeat.json"
BOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]

register_default_plugins()


def known() -> dict[str, set[str]]:
    """Return the labels of every series there is."""
    found = {each.name: set(each.labels) for each in OF_QUEUES} | {name: set(of) for name, (_, of) in STORE.items()}
    for instrument in INSTRUMENTS:
        labels = set(instrument.labels)
        if instrument.kind is Kind.HISTOGRAM:
            found |= {f"{instrument.series}_{end}": labels for end in ("sum", "count")}
            labels |= {"le"}
        found[instrument.series + ("_bucket" if instrument.kind is Kind.HISTOGRAM else "")] = labels
    return found


def lost(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield what one document says and the other does not."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            yield from lost(value, after.get(name, "nothing"), f"{path}/{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{path}/{number}")
    elif before != after:
        yield f"{path} is {before!r}, read as {after!r}"


def read(document: dict[str, Any]) -> dict[str, Any]:
    """Read a dashboard by Grafana's own schema, and write what was understood."""
    understood: dict[str, Any] = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
    return understood


def test_grafanas_schema_understands_all_of_it() -> None:
    """As the types of grafana-foundation-sdk have it, which Grafana makes of its schema: nothing is lost."""
    assert [] == list(lost(BOARD, read(BOARD)))


def test_the_schema_would_notice_a_mistake() -> None:
    """A field that Grafana does not know is lost."""
    document = json.loads(FILE.read_text())
    document["panels"][1]["fieldConfig"]["defaults"]["units"] = "s"
    assert ["/panels/1/fieldConfig/defaults/units is 's', read as 'nothing'"] == list(lost(document, read(document)))


def queries() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


@pytest.mark.parametrize(("title", "query"), queries())
def test_every_query_asks_for_series_that_there_are(title: str, query: str) -> None:
    """By labels that they have; `instance` is of every scrape."""
    series = known()
    names = re.findall(r"\b(?:asynq|onebeat)_\w+", query)
    assert names
    for name in names:
        assert name in series, name
    labels = set(re.findall(r"(\w+)=~?\"", query))
    labels |= {label.strip() for group in re.findall(r"by \((.*?)\)", query) for label in group.split(",")}
    assert labels <= set().union(*(series[name] for name in names)) | {"instance"}


def test_figures_of_queues_are_never_added_up_over_replicas() -> None:
    """Each replica tells the same: one of them is taken, then queues may be summed."""
    for title, query in queries():
        for name in re.findall(r"\b(?:asynq_\w+|onebeat_queue_\w+)", query):
            before = query[: query.index(name)]
            assert re.search(r"max(?: by \([^()]*\))? \(?(?:rate\()?$|max\($", before), (title, query)


def test_panels_are_numbered_told_apart_and_do_not_overlap() -> None:
    """Each says what it shows, and asks the chosen data source."""
    places = [(panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy) for panel in BOARD["panels"]
              for dx in range(panel["gridPos"]["w"]) for dy in range(panel["gridPos"]["h"])]  # fmt: skip
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in PANELS]
    assert len(titles) == len(set(titles))
    assert all(panel["description"] for panel in PANELS)
    assert {"${datasource}"} == {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}


def test_it_has_what_on_call_looks_for() -> None:
    """In this order; and variables to choose by."""
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert ["Overview", "Queues", "Tasks by type", "Latency", "Failures", "Schedules", "Servers", "Machinery"] == rows
    assert ["datasource", "queue"] == [variable["name"] for variable in BOARD["templating"]["list"]]
    assert 2 == sum(panel["type"] == "heatmap" for panel in PANELS)
