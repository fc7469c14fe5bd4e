"""
How payloads and results become bytes. JSON as Go writes it unless told otherwise; which codec it was, if another,
stands in the task's header `onebeat-codec`, so that any server that knows that codec can read it.
"""

from __future__ import annotations

from onebeat.codecs.codec import HEADER, JSON, MSGPACK, Codec, check_codec, name_of
from onebeat.codecs.json import decode, encode, escape_json

__all__ = ["HEADER", "JSON", "MSGPACK", "Codec", "check_codec", "decode", "encode", "escape_json", "name_of"]
