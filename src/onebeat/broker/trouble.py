"""What a store or its driver reports, said in Onebeat's words, with a remedy."""

from __future__ import annotations

import re

from onebeat.broker import driver
from onebeat.errors import BrokerError, BrokerUnavailable, BrokerUnsupported

# Error codes after which the same call may well succeed (mechanism-rules 14). redis-py turns some into
# classes and cuts the code off their text; errors of scripts carry it inside.
_PASSING = (
    "READONLY", "OOM", "NOREPLICAS", "MISCONF", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "NOPERM", "NOAUTH", "WRONGPASS",
    "MASTERDOWN", "BUSY", "UNBLOCKED", "UNKILLABLE",
)  # fmt: skip
_PASSING_CODE = re.compile(rf"(?:^|\W)(?:-?)({'|'.join(_PASSING)})\b")


WAS_CLOSED = "it was closed"
"""What a pool of connections says when it is asked for one after its store was closed."""


def passes(text: str) -> bool:
    """Whether an error text of the store names a trouble that may pass by itself."""
    return _PASSING_CODE.search(text) is not None


def casts_doubt(error: BaseException) -> bool:
    """Whether an error of a node makes it likely that another is primary now, or soon."""
    if isinstance(error, (driver.ConnectionError, driver.TimeoutError, OSError, driver.ClusterDownError)):
        return True
    return isinstance(error, driver.ResponseError) and (
        getattr(error, "status_code", None) == "READONLY" or "READONLY" in str(error)
    )


def translate(error: BaseException, shown: str) -> BrokerError:
    """Say in Onebeat's words what redis-py reports; what may pass by itself is `BrokerUnavailable`."""
    text = str(error) or type(error).__name__
    if isinstance(error, BrokerError):
        return error
    if isinstance(error, (driver.ConnectionError, driver.TimeoutError, OSError)):
        return BrokerUnavailable(f"store {shown} cannot be used: {text.rstrip('.')}; {_remedy(error, text)}")
    if isinstance(error, driver.AskError):
        return BrokerUnsupported(
            f"store {shown} is a node of a cluster, and sends us on to another ({text}): "
            "name the cluster by redis+cluster://host:port"
        )
    code = getattr(error, "status_code", None) or ""
    if code in _PASSING or passes(text):
        remedy = "; give its user the right to, by ACL SETUSER" if code == "NOPERM" else ""
        return BrokerUnavailable(f"store {shown} refuses for now: {code} {text}{remedy}")
    if isinstance(error, driver.InvalidResponse):
        return BrokerError(f"store {shown} answered with an error: {text}; name a Redis or Valkey, this is none")
    return BrokerError(f"store {shown} answered with an error: {text}")


def _remedy(error: BaseException, text: str) -> str:
    if text == WAS_CLOSED:
        return "open another"
    if isinstance(error, driver.AuthenticationError) or isinstance(error.__cause__, driver.AuthenticationError):
        return "give the right user and password in its URL, redis://user:password@host:6379/0"
    if "DB index" in text:
        return "name a database that it has, such as …/0"
    return "see that it runs there and can be reached, or name another"
