"""stub: replaced by the wire room."""
from __future__ import annotations
from google.protobuf.message import DecodeError
from onebeat.wire.asynq_pb2 import TaskMessage
class UndecodableMessage(ValueError):
    pass
def encode(message: TaskMessage) -> bytes:
    return message.SerializeToString(deterministic=True)
def decode(data: bytes) -> TaskMessage:
    try:
        m = TaskMessage.FromString(data)
    except DecodeError as e:
        raise UndecodableMessage(str(e)) from e
    if not m.type or not m.id or not m.queue:
        raise UndecodableMessage("no type, id or queue")
    return m
def around(message: TaskMessage, number: int) -> tuple[bytes, bytes]:
    head, tail = TaskMessage(), TaskMessage()
    for field, value in message.ListFields():
        target = head if field.number < number else tail
        if field.number == number: continue
        if field.name == "headers":
            target.headers.update(value)
        else:
            setattr(target, field.name, value)
    return encode(head), encode(tail)
def clean_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
