"""Past attempts in a record, and their tracebacks, without a store."""

from __future__ import annotations

import pytest

from onebeat.server.outcome import HandlerError, TimeIsOverError
from onebeat.server.traces import trace_text
from onebeat.wire.attempts import MAX_BYTES, AttemptRecord, read, shortened


def test_what_was_written_is_read() -> None:
    """The number of all stands first, so those that were dropped are counted."""
    record = AttemptRecord(started=1, ended=2, waited=0, server="h:1:s", error="é\n\x00", kind="E", trace="a\nb")
    field = b"7\narchived " + record.encode() + b"\nrecovered " + AttemptRecord().encode() + b"\n"
    assert [(6, "archived", record), (7, "recovered", AttemptRecord())] == [tuple(kept) for kept in read(field)]


@pytest.mark.parametrize("field", [None, b"", b"0\n"])
def test_of_nothing_there_is_nothing(field: bytes | None) -> None:
    """Nor of a record of somebody who keeps none."""
    assert [] == read(field)


def test_a_line_that_is_none_is_left_out() -> None:
    """The others keep their numbers."""
    field = b"x\nspoiled\nretried " + AttemptRecord(ended=5).encode() + b"\n"
    assert [(2, 5)] == [(kept.number, kept.about.ended) for kept in read(field)]


def test_a_line_is_never_longer_than_its_limit() -> None:
    """However much its text grows in JSON."""
    line = AttemptRecord(error="\x00" * 9000, trace="\x01\n" * 9000, server="s").encode()
    assert len(line) <= MAX_BYTES
    assert b"\n" not in line


def test_a_long_trace_keeps_its_beginning_and_its_end() -> None:
    """In whole lines."""
    trace = "\n".join(["Traceback:", *(f"  frame {n}" for n in range(999)), "ValueError: at last"])
    cut = shortened(trace, 1000)
    assert len(cut) < 1100
    assert cut.startswith("Traceback:\n  frame 0\n")
    assert cut.endswith("\n  frame 998\nValueError: at last")
    assert "characters are left out here" in cut


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as found:  # noqa: BLE001 - that is what is wanted
        return found


def test_a_plain_error_is_told_as_python_does() -> None:
    """But for the marks under the line."""
    error = raised(KeyError("order"))
    error.add_note("of customer 7")
    lines = trace_text(error).splitlines()
    assert ["Traceback (most recent call last):", "    raise error", "KeyError: 'order'", "of customer 7"] == [
        lines[0], *lines[2:]
    ]  # fmt: skip
    assert f'  File "{__file__}", line ' in lines[1]


def test_an_error_with_a_cause_is_told_with_it() -> None:
    """The cause first."""
    error = ValueError("second")
    error.__cause__ = raised(KeyError("first"))
    text = trace_text(raised(error))
    assert text.index("KeyError: 'first'") < text.index("direct cause") < text.index("ValueError: second")


def test_a_group_is_told_with_its_members() -> None:
    """Each with its own frames."""
    text = trace_text(raised(ExceptionGroup("both", [raised(KeyError("a")), raised(KeyError("b"))])))
    assert "KeyError: 'a'" in text
    assert "KeyError: 'b'" in text


def test_of_another_process_its_own_trace_is_told() -> None:
    """What stands for the error here has none."""
    assert 'File "child.py"' in trace_text(HandlerError("text", trace='Traceback\n  File "child.py", line 1'))


def test_a_timeout_has_no_trace() -> None:
    """Its handler raised nothing."""
    assert "" == trace_text(TimeIsOverError())


def test_an_attempt_at_no_time_that_there_is_is_left_out() -> None:
    """As any other damage: what cannot be told keeps nothing else from being shown."""
    far = b'retried {"ended":99999999999999999}\n'
    early = b'retried {"started":-1}\n'
    assert [3] == [kept.number for kept in read(b"3\n" + far + early + b'archived {"ended":5}\n')]
