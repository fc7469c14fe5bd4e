"""Break the shop's store in many ways at once, each as it really happens. `onebeat doctor` finds them all."""

from __future__ import annotations

import os

import redis

from onebeat import SyncClient, SyncInspector, Task

ROOT = "asynq:{reports}:"
HOUR = 3600

store = redis.Redis.from_url(os.environ["ONEBEAT_URL"])


def somebody_tunes_the_store() -> None:
    """As for a cache: it is small, may throw away what it likes, and keeps nothing when it ends."""
    store.config_set("maxmemory", int(store.info("memory")["used_memory"] / 0.85))
    store.config_set("maxmemory-policy", "allkeys-lru")
    store.config_set("appendonly", "no")


def somebody_deploys(client: SyncClient, inspector: SyncInspector) -> None:
    """With a slip in the name of a queue, a type that no server handles yet, and a pause that nobody ends."""
    client.enqueue_many([Task("mail:receipt", {"order": number}) for number in range(3)], queue="mial")
    client.enqueue(Task("order:refund", {"order": 7}), queue="orders", task_id="refund-007")
    inspector.pause("mail")


def a_server_dies(client: SyncClient) -> None:
    """That of the reports, an hour ago, in the midst of its work; and its store forgot a part of what it was told."""
    for day in range(1, 7):
        client.enqueue(Task("report:day", {"day": day}), queue="reports", task_id=f"day-{day}")
    lapsed = store.time()[0] - HOUR
    for day in (1, 5):  # as a server takes them
        store.lrem(f"{ROOT}pending", 0, f"day-{day}")
        store.lpush(f"{ROOT}active", f"day-{day}")
        store.hset(f"{ROOT}t:day-{day}", mapping={"state": "active", "ob_own": "dead:1", "ob_lease": lapsed})
        store.zadd(f"{ROOT}lease", {f"day-{day}": lapsed})
    store.lrem(f"{ROOT}active", 0, "day-5")  # it has a lease, and is not among those that run
    store.lrem(f"{ROOT}pending", 0, "day-3")  # its record is in no list
    store.rpush(f"{ROOT}pending", "day-4")  # it is in the list twice
    store.rpush(f"{ROOT}pending", "day-0")  # it has no record


def locks_and_groups_are_left(client: SyncClient) -> None:
    """By tasks that somebody deleted with another tool, and an aggregation that ended half-way."""
    store.set(f"{ROOT}unique:report:day:{'0' * 32}", "day-98", ex=HOUR)
    store.set(f"{ROOT}unique:report:day:{'f' * 32}", "day-99")
    client.enqueue(Task("report:day", {"day": 7}), queue="reports", task_id="day-7", group="week")
    store.srem(f"{ROOT}groups", "week")
    store.sadd(f"{ROOT}groups", "month")


def a_script_writes_into_it() -> None:
    """Whose author took a key of a queue for one of his own, and a list of all queues for out of date."""
    store.set("asynq:{stock}:pending", "42")
    store.srem("asynq:queues", "reports")


def main() -> None:
    """Do it all."""
    with SyncClient() as client, SyncInspector() as inspector:
        somebody_tunes_the_store()
        somebody_deploys(client, inspector)
        a_server_dies(client)
        locks_and_groups_are_left(client)
    a_script_writes_into_it()
    print("A night went by.")


if __name__ == "__main__":
    main()
