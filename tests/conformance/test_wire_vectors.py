"""The bytes and names that Go writes, vector by vector (protocol §10.1–10.3, §10.5, §10.6)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from grpc_tools import protoc
from hypothesis import given
from hypothesis import strategies as st

from onebeat.wire import asynq_pb2, gotext, keys, records
from onebeat.wire.message import TaskMessage, UndecodableMessage, around, clean_text, decode, encode
from onebeat.wire.records import EnqueueEventRecord, EntryRecord, ServerRecord, WorkerRecord
from onebeat.wire.unique import unique_key

SERVER_ID = "6f1c6b0a-0000-4000-8000-000000000001"
KEY_OF_V3 = "asynq:{critical}:unique:report:gen:481e4551ec039aada760901cf52b1917"

MESSAGES: dict[str, tuple[dict[str, Any], str]] = {
    "V1": (
        {"type": "email:send", "payload": b'{"user_id":42}', "id": "11111111-2222-4333-8444-555555555555",
         "queue": "default", "retry": 25, "timeout": 1800},
        ("0a0a656d61696c3a73656e64120e7b22757365725f6964223a34327d1a2431313131313131312d323232322d343333332d383434342d"
        "353535353535353535353535220764656661756c74281940880e"),
    ),
    "V2": (
        {"type": "t", "id": "a", "queue": "default", "retry": 25, "timeout": 1800,
         "unique_key": "asynq:{default}:unique:t:"},
        "0a01741a0161220764656661756c74281940880e52196173796e713a7b64656661756c747d3a756e697175653a743a",
    ),
    "V3": (
        {"type": "report:gen", "payload": b"\x00\xff\x10", "headers": {"a": "1", "trace-id": "xyz"}, "id": "job-1",
         "queue": "critical", "retry": 3, "retried": 2, "error_msg": "boom: timeout", "last_failed_at": 1700000000,
         "timeout": 30, "deadline": 1700003600, "unique_key": KEY_OF_V3, "retention": 86400},
        ("0a0a7265706f72743a67656e120300ff101a056a6f622d312208637269746963616c280330023a0d626f6f6d3a2074696d656f757440"
        "1e4890fecfaa0652436173796e713a7b637269746963616c7d3a756e697175653a7265706f72743a67656e3a34383165343535316563"
        "303339616164613736303930316366353262313931375880e2cfaa066080a3057a060a01611201317a0f0a0874726163652d69641203"
        "78797a"),
    ),
    "V4": (
        {"type": "t", "payload": b"x", "id": "g1", "queue": "low", "retry": 25, "timeout": 1800, "group_key": "grp:1"},
        "0a01741201781a02673122036c6f77281940880e72056772703a31",
    ),
    "V5": (
        {"type": "t", "id": "c1", "queue": "default", "retry": 25, "timeout": 1800, "retention": 3600,
         "completed_at": 1700000000},
        "0a01741a026331220764656661756c74281940880e60901c6880e2cfaa06",
    ),
}  # fmt: skip

RECORDS: dict[str, tuple[ServerRecord | WorkerRecord | EntryRecord | EnqueueEventRecord, str]] = {
    "V6": (
        ServerRecord(host="web-1", pid=4242, server_id=SERVER_ID, concurrency=10, queues={"default": 1},
                     start_time=1700000000_123456789, active_worker_count=2),
        ("0a057765622d311092211a2436663163366230612d303030302d343030302d383030302d303030303030303030303031200a2a0b0a07"
        "64656661756c7410013a06616374697665420b0880e2cfaa0610959aef3a4802"),
    ),
    "V7": (
        WorkerRecord(host="web-1", pid=4242, server_id=SERVER_ID, task_id="job-1", task_type="report:gen",
                     task_payload=b"{}", queue="critical", start_time=1700000001 * 10**9, deadline=1700001801 * 10**9),
        ("0a057765622d311092211a2436663163366230612d303030302d343030302d383030302d30303030303030303030303122056a6f622d"
        "312a0a7265706f72743a67656e32027b7d3a08637269746963616c42060881e2cfaa064a060889f0cfaa06"),
    ),
    "V8": (
        EntryRecord(id="e-1", spec="@every 30s", task_type="t", task_payload=b"p",
                    enqueue_options=['Queue("low")', "MaxRetry(3)"], next_enqueue_time=1700000030 * 10**9),
        ("0a03652d31120a406576657279203330731a01742201702a0c517565756528226c6f7722292a0b4d617852657472792833293206089e"
        "e2cfaa063a0b088092b8c398feffffff01"),
    ),
    "V9": (
        EnqueueEventRecord(task_id="job-1", enqueue_time=1700000000_000000005),
        "0a056a6f622d3112080880e2cfaa061005",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_the_bytes_that_go_writes(name: str) -> None:
    """Encoding gives Go's bytes; decoding them gives the fields back."""
    fields, hexadecimal = MESSAGES[name]
    assert bytes.fromhex(hexadecimal) == encode(TaskMessage(**fields))
    assert TaskMessage(**fields) == decode(bytes.fromhex(hexadecimal))


def test_headers_may_come_in_any_order() -> None:
    """Go writes two headers in random order; both orders are the same message."""
    fields, hexadecimal = MESSAGES["V3"]
    first, second = "7a060a0161120131", "7a0f0a0874726163652d6964120378797a"
    assert hexadecimal.endswith(first + second)
    swapped = hexadecimal.removesuffix(first + second) + second + first
    assert TaskMessage(**fields) == decode(bytes.fromhex(swapped))


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_the_bytes_that_go_writes(name: str) -> None:
    """Server, worker, schedule and event, byte for byte in both directions."""
    record, hexadecimal = RECORDS[name]
    assert bytes.fromhex(hexadecimal) == record.encode()
    assert record == type(record).decode(bytes.fromhex(hexadecimal))


def test_unknown_fields_do_not_disturb_known_ones() -> None:
    """V10: a message with field 100 reads as the message without it, which is all that Go would keep."""
    read = TaskMessage.FromString(bytes.fromhex("0a01741a0169a206017a"))
    read.DiscardUnknownFields()
    assert bytes.fromhex("0a01741a0169") == encode(read)


def test_a_missing_timestamp_is_1970_not_never() -> None:
    """V11: that is how Go v0.26 reads it, so "never" must always be written."""
    read = EntryRecord.decode(bytes.fromhex("0a0178"))
    assert (read.next_enqueue_time, read.prev_enqueue_time) == (0, 0)


def test_every_timestamp_is_written() -> None:
    """An entry that never fired says so in 11 bytes."""
    assert b"\x08\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01" in EntryRecord(id="e", spec="s", task_type="t").encode()


@pytest.mark.parametrize(
    ("queue", "task_type", "payload", "key"),
    [
        ("default", "t", None, "asynq:{default}:unique:t:"),
        ("default", "t", b"", "asynq:{default}:unique:t:d41d8cd98f00b204e9800998ecf8427e"),
        ("default", "t", b"x", "asynq:{default}:unique:t:9dd4e461268c8034f5c8564e155c67a6"),
        (
            "critical",
            "email:send",
            b'{"user_id":42}',
            "asynq:{critical}:unique:email:send:1181f89307fa271072c095747d5813cc",
        ),
        ("critical", "report:gen", b"\x00\xff\x10", KEY_OF_V3),
        ("q w", "t:", "é".encode(), "asynq:{q w}:unique:t::66ddcd97cfdeabb2f6fb8a999b4bc76f"),
    ],
)
def test_a_unique_key_is_the_one_that_go_takes(queue: str, task_type: str, payload: bytes | None, key: str) -> None:
    """§10.2."""
    assert key == unique_key(queue, task_type, payload)


SLOTS = [
    ("asynq:{default}:pending", 5718), ("onebeat:{default}:exact", 5718), ("asynq:{critical}:active", 8090),
    ("asynq:{low}:t:x", 15214), ("asynq:{a}b}:pending", 15495), ("asynq:{{y}:pending", 15133),
    ("asynq:{sp ace}:pending", 12181), ("asynq:{a:b}:pending", 2785), (keys.QUEUES, 3477), (keys.SERVERS, 15197),
    (keys.WORKERS, 7864), (keys.SCHEDULERS, 4669), (keys.server(f"web-1:4242:{SERVER_ID}"), 13406),
    (keys.workers(f"web-1:4242:{SERVER_ID}"), 13406), (keys.scheduler_history("e-1"), 7823), ("asynq:sema:x", 14085),
    ("asynq:{}}:pending", 11189), ("asynq:{}}:active", 12899),
]  # fmt: skip


@pytest.mark.parametrize(("key", "slot"), SLOTS)
def test_a_key_lies_in_its_slot(key: str, slot: int) -> None:
    """§10.3, the broken queue name among them."""
    assert slot == keys.slot(key)


def test_keys_have_the_names_of_the_wire() -> None:
    """§1.1 and §1.2, for keys that are made outside scripts."""
    assert keys.task("low", "a-1") == "asynq:{low}:t:a-1"
    assert keys.daily("low", "processed", date(2030, 3, 7)) == "asynq:{low}:processed:2030-03-07"
    assert keys.schedulers("{low}") == "asynq:schedulers:{low}"


DURATIONS = [
    (0, "0s"), (1, "1ns"), (999, "999ns"), (1000, "1µs"), (1500, "1.5µs"), (250_000, "250µs"), (1_500_000, "1.5ms"),
    (100_000_000, "100ms"), (1_234_567_000, "1.234567s"), (10**9, "1s"), (90 * 10**9, "1m30s"),
    (3600 * 10**9, "1h0m0s"),
    (129_630_005 * 10**6, "36h0m30.005s"), (-90 * 10**9, "-1m30s"),
]  # fmt: skip


@pytest.mark.parametrize(("ns", "text"), DURATIONS)
def test_durations_are_written_and_read_as_in_go(ns: int, text: str) -> None:
    """§10.6."""
    assert text == gotext.duration(ns)
    assert ns == gotext.parse_duration(text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_duration_survives_its_text(ns: int) -> None:
    """What is written is read back to the nanosecond."""
    assert ns == gotext.parse_duration(gotext.duration(ns))


@pytest.mark.parametrize("text", ["", "-", "1", "1x", "s", "1 s", "1.5", "abc", "1h2"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The sentence says how to write one."""
    with pytest.raises(ValueError, match="write numbers with units"):
        gotext.parse_duration(text)


OPTIONS = [
    (gotext.option("MaxRetry", 3), "MaxRetry(3)"),
    (gotext.option("MaxRetry", -1), "MaxRetry(0)"),
    (gotext.option("Queue", 'cri"t é\t'), 'Queue("cri\\"t é\\t")'),
    (gotext.option("TaskID", "id"), 'TaskID("id")'),
    (gotext.option("Timeout", 5400 * 10**9), "Timeout(1h30m0s)"),
    (gotext.option("Timeout", 0), "Timeout(0s)"),
    (gotext.option("Unique", 1_500_000_000), "Unique(1.5s)"),
    (gotext.option("ProcessIn", 250_000), "ProcessIn(250µs)"),
    (gotext.option("Retention", 86_400 * 10**9), "Retention(24h0m0s)"),
    (gotext.option("Group", "g"), 'Group("g")'),
    (
        gotext.option("Deadline", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        "Deadline(Tue Jan  2 03:04:05 UTC 2024)",
    ),
    (
        gotext.option("Deadline", datetime(2024, 12, 31, 23, tzinfo=ZoneInfo("Asia/Tokyo"))),
        "Deadline(Tue Dec 31 23:00:00 JST 2024)",
    ),
    (gotext.header("k<", 'v"é'), 'Header(["k\\u003c","v\\"é"])'),
    (gotext.option("Queue", "aé\u2028\x00\x7f\u200b\n"), 'Queue("aé\\u2028\\x00\\x7f\\u200b\\n")'),
]


@pytest.mark.parametrize(("written", "text"), OPTIONS)
def test_options_are_written_as_asynqs_tools_read_them(written: str, text: str) -> None:
    """§10.5; one without a bracket would crash the reader."""
    assert text == written


@pytest.mark.slow
@given(
    st.builds(
        TaskMessage,
        type=st.text(min_size=1, alphabet=st.characters(codec="utf-8")),
        payload=st.binary(),
        retry=st.integers(0, 2**31 - 1),
        last_failed_at=st.integers(0, 2**40),
        retention=st.integers(0, 2**40),
        completed_at=st.integers(0, 2**40),
        group_key=st.text(alphabet=st.characters(codec="utf-8")),
    ),
    st.sampled_from([11, 13]),
    st.integers(1, 2**40),
)
def test_a_field_put_between_head_and_tail_is_the_canonical_message(
    message: TaskMessage, number: int, value: int
) -> None:
    """What a script splices in is byte for byte what Go would have written."""
    head, tail = around(message, number)
    field = TaskMessage()
    for target in (field, message):
        setattr(target, "last_failed_at" if number == 11 else "completed_at", value)
    assert encode(message) == head + encode(field) + tail


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"junk", bytes.fromhex("0a01741a0169"), b"\x0a\x01\xff"])
def test_bytes_that_are_no_task_are_told_apart(data: bytes) -> None:
    """Damage, missing names and invalid UTF-8 are reported, never half read."""
    with pytest.raises(UndecodableMessage, match="no TaskMessage"):
        decode(data)


def test_error_texts_are_made_valid() -> None:
    """A lone surrogate, which Go would refuse the whole message for, becomes a question mark."""
    assert clean_text("a\ud800b") == "a?b"


def described(module: Path) -> str:
    """Return the description of the messages in a generated module; the rest depends on who generated it."""
    return next(line for line in module.read_text().splitlines() if "AddSerializedFile" in line)


def test_the_generated_module_is_in_step(tmp_path: Path) -> None:
    """Generating the messages again gives the file that is checked in."""
    source = Path(asynq_pb2.__file__).parents[2]
    known = Path(protoc.__file__).parent / "_proto"
    assert (
        protoc.main(
            [
                "",
                f"-I{source}",
                f"-I{known}",
                f"--python_out={tmp_path}",
                str(source / "onebeat/wire/asynq.proto"),
            ]
        )
        == 0
    )
    assert described(Path(asynq_pb2.__file__)) == described(tmp_path / "onebeat/wire/asynq_pb2.py")


def test_instants_survive_as_nanoseconds() -> None:
    """Datetimes go there and back to the microsecond."""
    moment = datetime(2030, 3, 17, 17, 46, 40, 123456, tzinfo=UTC)
    assert moment == records.to_datetime(records.to_ns(moment))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MaxRetry", 3),
        ("Queue", 'cri"t é\t'),
        ("Queue", "aé\u2028\x00\x7f\u200b\n\\"),
        ("Queue", "with ) inside"),
        ("TaskID", "id"),
        ("Group", "g"),
        ("Timeout", 5_400_000_000_000),
        ("Unique", 1_500_000_000),
        ("ProcessIn", 250_000),
        ("Retention", 0),
        ("Deadline", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_options_are_read_back(name: str, value: object) -> None:
    """As they were written (§6.4)."""
    assert (name, value) == gotext.parse_option(gotext.option(name, value))


def test_headers_are_read_back() -> None:
    """Both their strings."""
    assert ("Header", ("k<", 'v"é')) == gotext.parse_option(gotext.header("k<", 'v"é'))


def test_a_zone_that_is_only_an_abbreviation_counts_as_utc() -> None:
    """As it does for Go's reader, which does not know it either."""
    found = gotext.parse_option("Deadline(Tue Dec 31 23:00:00 JST 2024)")
    assert ("Deadline", datetime(2024, 12, 31, 23, tzinfo=UTC)) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "MaxRetry", "MaxRetry(", "MaxRetry(x)", "Queue(low)", 'Queue("a\\q")', 'Queue("a"b")', "Timeout(5)",
        "Nonsense(1)",
        "Deadline(tomorrow)", "Deadline(Tue Xyz  2 03:04:05 UTC 2024)", "Header([1])", 'Header(["a"])',
    ],
)  # fmt: skip
def test_options_that_cannot_be_read_are_none(text: str) -> None:
    """Go's reader drops them, and crashes where there is no bracket."""
    assert None is gotext.parse_option(text)
