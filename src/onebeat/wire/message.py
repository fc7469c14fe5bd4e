"""
TaskMessage and its bytes.

Go writes fields by rising number, and so do we, so the same task is the same bytes, except that two or more
headers may come in any order.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from onebeat.wire.asynq_pb2 import TaskMessage

__all__ = ["TaskMessage", "UndecodableMessage", "around", "clean_text", "decode", "encode"]


class UndecodableMessage(ValueError):  # noqa: N818 - it says what the bytes are
    """Bytes that are no task: damage, or the work of another program. The text is the reason."""


def encode(message: TaskMessage) -> bytes:
    """Return the bytes of a message, the same ones every time."""
    return message.SerializeToString(deterministic=True)


def decode(data: bytes) -> TaskMessage:
    """
    Read a message.

    Raises:
        UndecodableMessage: It is not protobuf, not UTF-8 where it must be, or has no type, id or queue.
    """
    try:
        message = TaskMessage.FromString(data)
    except DecodeError as error:
        raise UndecodableMessage(f"{len(data)} bytes are no TaskMessage: {error}") from error
    for name in ("type", "id", "queue"):
        if not getattr(message, name):
            raise UndecodableMessage(f"{len(data)} bytes are no TaskMessage: it has no {name}")
    return message


def around(message: TaskMessage, number: int) -> tuple[bytes, bytes]:
    """
    Split a message's bytes around a field, which is left out itself.

    A script puts the field there with the store's own time, and the whole is byte for byte what Go writes.
    """
    present = [field for field, _ in message.ListFields()]
    head = _without(message, [field.name for field in present if field.number >= number])
    tail = [field.name for field in present if field.number <= number]
    return head, _without(message, tail) if present and present[-1].number > number else b""


def _without(message: TaskMessage, names: list[str]) -> bytes:
    part = TaskMessage()
    part.CopyFrom(message)
    for name in names:
        part.ClearField(name)
    return encode(part)


def clean_text(text: str) -> str:
    """Replace what UTF-8 cannot hold: Go refuses a whole message for one such character (SE-15)."""
    return text.encode("utf-8", "replace").decode()
