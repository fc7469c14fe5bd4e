"""
A connection that is made sure to lead to a primary.

Between a switch and the day its old primary hears of it, both answer; and one that was demoted takes no writes. So
where sentinels say who is primary, the node is asked, too, whenever it is connected to (mechanism-rules 28).
"""

from __future__ import annotations

from typing import Any

from onebeat.broker import driver


async def check_role(connection: Any) -> None:
    """Greet a node on a new connection, and refuse it if it is no primary."""
    await connection.on_connect()
    await connection.send_command("ROLE")
    try:
        answer = await connection.read_response()
    except driver.NoPermissionError:
        return  # then READONLY tells
    _refuse_replica(answer)


def check_role_blocking(connection: Any) -> None:
    """Do the same as `check_role` for code that blocks."""
    connection.on_connect()
    connection.send_command("ROLE")
    try:
        answer = connection.read_response()
    except driver.NoPermissionError:
        return
    _refuse_replica(answer)


def _refuse_replica(answer: Any) -> None:
    if answer[0] != b"master":
        raise driver.ConnectionError("it is a replica now, no primary")
