"""
The instruments of `onebeat.observe.instruments`, kept by OpenTelemetry: same figures, its names, units and attributes.

Two of them have a name in the conventions for messaging, and bear it; the others are `onebeat.…`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.metrics import Meter

from onebeat.observe import instruments
from onebeat.observe.instruments import Instrument, Kind, Record, Recorder
from onebeat.observe.otel import words
from onebeat.observe.otel.words import Attributes


@dataclass(frozen=True, slots=True)
class Name:
    """
    What an instrument is called.

    Attributes:
        name, unit: As OpenTelemetry writes them.

        operation: Which messaging operation it is about; its attributes say so.
    """

    name: str
    unit: str
    operation: str = ""


NAMES: dict[Instrument, Name] = {
    instruments.ENQUEUED: Name("messaging.client.sent.messages", "{message}", "send"),
    instruments.WAIT: Name("onebeat.task.wait", "s"),
    instruments.RUN: Name("messaging.process.duration", "s", "process"),
    instruments.IN_PROGRESS: Name("onebeat.task.in_progress", "{task}"),
    instruments.ENDED: Name("onebeat.task.ended", "{task}"),
    instruments.ERRORS: Name("onebeat.task.errors", "{error}"),
    instruments.RECOVERED: Name("onebeat.task.recovered", "{task}"),
    instruments.FIRES: Name("onebeat.schedule.fires", "{tick}"),
    instruments.LATENESS: Name("onebeat.schedule.lateness", "s"),
    instruments.MISSED: Name("onebeat.schedule.missed", "{tick}"),
    instruments.LOOP_LAG: Name("onebeat.loop.lag", "s"),
    instruments.BATCH_SIZE: Name("onebeat.script.batch_size", "{item}"),
    instruments.SCRIPT: Name("onebeat.script.duration", "s"),
    instruments.SLOTS: Name("onebeat.server.slots", "{task}"),
}

LABELS = {
    "queue": words.DESTINATION_NAME,
    "type": words.TASK_TYPE,
    "state": words.STATE,
    "outcome": words.OUTCOME,
    "error": words.ERROR_TYPE,
    "schedule": words.SCHEDULE,
    "reason": "onebeat.reason",
    "script": "onebeat.script",
}


class Metered(Recorder):
    """Records by the instruments of a meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._records: dict[Instrument, Callable[[float, Attributes], None]] = {}

    def bind(self, instrument: Instrument, labels: tuple[str, ...]) -> Record:
        record = self._records.get(instrument)
        if record is None:
            record = self._records[instrument] = _made(self._meter, instrument)
        attributes: Attributes = {LABELS[name]: value for name, value in zip(instrument.labels, labels, strict=True)}
        operation = NAMES[instrument].operation
        if operation:
            attributes |= {words.MESSAGING_SYSTEM: words.SYSTEM, words.OPERATION_NAME: operation}
        return lambda value: record(value, attributes)


def _made(meter: Meter, instrument: Instrument) -> Callable[[float, Any], None]:
    what = NAMES[instrument]
    if instrument.kind is Kind.COUNTER:
        return meter.create_counter(what.name, what.unit, instrument.help).add
    if instrument.kind is Kind.LEVEL:
        return meter.create_up_down_counter(what.name, what.unit, instrument.help).add
    return meter.create_histogram(
        what.name, what.unit, instrument.help, explicit_bucket_boundaries_advisory=instrument.buckets
    ).record
