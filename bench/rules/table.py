"""
The rules that Onebeat's mechanisms follow, how each is taken out, and the test that must fail then.

An entry is a replacement of text in one file of `src/onebeat`: the smallest change after which the code looks
right and the rule is broken. The numbers are the rules' own; docs/reliability.md says them in words.
"""

from __future__ import annotations

from dataclasses import dataclass

CONSUME = "tests/broker/test_scripts_consume.py::"
MAINTAIN = "tests/broker/test_scripts_maintain.py::"
PRODUCE = "tests/broker/test_scripts_produce.py::"
DAMAGE = "tests/broker/test_damage.py::"
EMBEDDED = "tests/broker/test_embedded.py::"
FENCE = "tests/server/test_fence.py::"
HANGS = "tests/server/test_hangs.py::"
ISOLATION = "tests/server/test_isolation.py::"
OUTAGES = "tests/server/test_outages.py::"
QUEUES = "tests/server/test_many_queues.py::"
RUNNING = "tests/server/test_running.py::"
CLIENT = "tests/client/test_client.py::"
COALESCER = "tests/unit/test_coalescer.py::"


@dataclass(frozen=True)
class Rule:
    """One rule, or a part of one."""

    number: int
    taken_out: str
    file: str
    old: str
    new: str
    test: str


def lua(name: str) -> str:
    return f"broker/scripts/{name}.lua"


RULES = [
    Rule(
        1, "the holder is known by its token alone, not by the lease score", lua("lib/fence"),
        "lease ~= false and score ~= false and tonumber(lease) == tonumber(score)", "score ~= false",
        CONSUME + "test_gos_retake_is_noticed",
    ),
    Rule(
        1, "an outcome is written without asking who holds the task", lua("finish"),
        'elseif fields[1] == "active" and holds(token, fields[2], fields[3], redis.call("ZSCORE", lease, id)) then',
        'elseif fields[1] == "active" then',
        FENCE + "test_of_two_servers_that_believe_in_a_task_one_counts",
    ),
    Rule(
        2, "a lease is extended without asking who holds the task", lua("extend"),
        "  if not is_ours and not (", "  if false and not (",
        CONSUME + "test_a_lease_is_extended_for_its_holder_only",
    ),
    Rule(
        2, "a handler whose lease is lost runs on", "server/keeper.py",
        "self._stop_attempt(attempt, Stop.LOST, token)", "pass",
        RUNNING + "test_a_lost_lease_stops_the_handler",
    ),
    Rule(
        2, "the keeper lets go when the handler ends, not when the store has answered", "server/traffic.py",
        "            self.acknowledger.add(attempt)\n",
        "            self.acknowledger.add(attempt)\n            self.keeper.release(attempt)\n",
        FENCE + "test_an_outcome_that_was_not_written_keeps_its_lease",
    ),
    Rule(
        2, "the keeper stops before the last outcomes are written", "server/serving.py",
        "        await self._write_outcomes()\n",
        "        await asyncio.to_thread(self.keeper.stop)\n        await self._write_outcomes()\n",
        FENCE + "test_a_stop_keeps_leases_until_its_outcomes_are_written",
    ),
    Rule(
        2, "a task that its owner only slept over is not taken back", lua("extend"),
        'fields[1] == "pending" and waits_since(token, fields[5], fields[7])', "false",
        CONSUME + "test_a_recovered_task_that_still_waits_is_taken_back",
    ),
    Rule(
        2, "a server runs a task again that it slept over and took itself", "server/traffic.py",
        "self.executor.start(queue, self._without_our_own(queue, taken))", "self.executor.start(queue, taken)",
        FENCE + "test_a_server_that_takes_its_own_running_task_goes_on_with_it",
    ),
    Rule(
        3, "recovery does not hold back after an outage", lua("lib/recover"),
        "  return now_ms < hold_until", "  return false",
        MAINTAIN + "test_after_an_outage_owners_speak_first",
    ),
    Rule(
        3, "the keeper waits its whole period after a failure", "server/keeper.py",
        "pause = min(backoff.pause(), self._period)", "pause = 1_000.0",
        "tests/server/test_keeper.py::test_it_extends_again_soon_after_a_failure",
    ),
    Rule(
        4, "taking, ending and extending are refused by a full store", lua("lib/admit"),
        'redis.call("DEL", KEYS[2] .. "nil")', "",
        CONSUME + "test_work_ends_and_begins_while_the_store_is_full",
    ),
    Rule(
        4, "upkeep is refused by a full store", lua("maintain"),
        'redis.call("DEL", KEYS[2] .. "nil")', "",
        MAINTAIN + "test_recovery_alone_goes_on_while_the_store_is_full",
    ),
    Rule(
        4, "schedules fire into a full store", lua("maintain"),
        "  if is_full then", "  if false then",
        "tests/scheduler/test_tick.py::test_no_schedule_fires_into_a_full_store",
    ),
    Rule(
        5, "a late success of a task that still waits is refused", lua("finish"),
        'elseif fields[1] == "pending" and waits_since(token, fields[5], fields[8]) and', "elseif false and",
        FENCE + "test_a_late_success_completes_a_task_that_nobody_took_again",
    ),
    Rule(
        5, "an outcome that came too late is not counted", "server/acknowledger.py",
        "            self.lease_lost += 1\n", "",
        FENCE + "test_a_task_that_is_gone_at_its_end_is_told",
    ),
    Rule(
        5, '"gone" on a repeat counts as a lost lease', "server/acknowledger.py",
        'answer == "lost" or (answer == "gone" and not repeated)', 'answer in ("lost", "gone")',
        FENCE + "test_a_lost_answer_of_an_outcome_is_no_second_run",
    ),
    Rule(
        6, "a repeated fetch is a new one", lua("take"),
        "elseif last[1] == sequence then", "elseif false then",
        FENCE + "test_a_lost_answer_of_a_fetch_strands_nothing",
    ),
    Rule(
        6, "a fetch under way is cancelled at a stop", "server/serving.py",
        "        await asyncio.wait([self._fetching], timeout=self._config.shutdown_timeout)\n", "",
        FENCE + "test_a_stop_awaits_the_fetch_under_way",
    ),
    Rule(
        7, "a repeated batch is enqueued again", lua("enqueue"),
        "if last[1] == sequence then", "if false then",
        FENCE + "test_a_task_that_ran_and_is_gone_is_not_enqueued_again",
    ),
    Rule(
        7, "a batch that was overtaken is accepted", lua("enqueue"),
        "elseif last[1] > sequence then", "elseif false then",
        PRODUCE + "test_a_lower_sequence_is_refused",
    ),
    Rule(
        7, "two batches of a client are under way at once", "broker/coalescer.py",
        "                    await self._flush(lane, batch)",
        "                    self._loose = asyncio.ensure_future(self._flush(lane, batch))",
        COALESCER + "test_one_batch_per_lane_is_under_way",
    ),
    Rule(
        8, "one bad item stops its batch", lua("lib/guard"),
        "pcall(f, ...)", "true, f(...)",
        FENCE + "test_a_poisoned_outcome_does_not_hold_up_its_batch",
    ),
    Rule(
        8, "an outcome that is refused alone holds up its batch", "server/acknowledger.py",
        "                self._set_aside(attempt, answer)", "                await self._insist(attempt)",
        FENCE + "test_a_poisoned_outcome_does_not_hold_up_its_batch",
    ),
    Rule(
        8, "large numbers are written as Lua writes them", lua("lib/clock_injected"),
        'return string.format("%.0f", n)', "return tostring(n)",
        PRODUCE + "test_a_pending_task_is_what_go_writes",
    ),
    Rule(
        9, "batches have no bounds", "broker/coalescer.py",
        "while waiting and len(batch) < self._max_items:", "while waiting:",
        COALESCER + "test_batches_are_bounded",
    ),
    Rule(
        9, "a fetch brings any number of bytes", lua("take"),
        "if seen > 0 and weight > tonumber(ARGV[4]) then", "if false then",
        CONSUME + "test_a_fetch_stops_when_it_is_heavy",
    ),
    Rule(
        10, "every crash puts a task to the front", lua("lib/recover"),
        "if crashes <= 1 or not charged then", "if true then",
        MAINTAIN + "test_later_crashes_wait_longer_and_longer",
    ),
    Rule(
        10, "a task may crash without end", lua("lib/recover"),
        "crashes >= max_crashes", "false",
        MAINTAIN + "test_later_crashes_wait_longer_and_longer",
    ),
    Rule(
        10, "all tasks of a dead server are charged alike", lua("lib/recover"),
        "lost.crashes == worst[lost.server]", "true",
        MAINTAIN + "test_only_the_most_suspect_is_charged",
    ),
    Rule(
        11, "a lease of Go's is recovered as soon as it lapses", lua("lib/recover"),
        "elseif ours or score <= now_s - 30 then", "else",
        MAINTAIN + "test_gos_lease_gets_thirty_seconds_more",
    ),
    Rule(
        12, "a dead loop keeps its leases for ever", "server/watchdog.py",
        "        if stuck:\n", "        if False:\n",
        HANGS + "test_an_attempt_long_past_its_deadline_ends_the_process",
    ),
    Rule(
        12, "an outcome that waits for the store is taken for a hang", "server/watchdog.py",
        "attempt.finished is None and now >", "now >",
        HANGS + "test_an_outcome_that_waits_for_the_store_is_no_hang",
    ),
    Rule(
        12, "leases are kept by the event loop's thread", "server/keeper.py",
        "self._extend_all(held)", "self._watchdog._ping(lambda: self._extend_all(held))",
        RUNNING + "test_leases_are_kept_while_the_loop_is_blocked",
    ),
    Rule(
        13, "a thread that does not end frees its slot", "server/executor.py",
        " - len(self.running) - len(self.overstaying)", " - len(self.running)",
        HANGS + "test_a_thread_that_never_ends_is_given_up_and_keeps_its_slot",
    ),
    Rule(
        13, "a handler that does not end keeps its task for ever", "server/executor.py",
        "            self._end_elsewhere(attempt, self._decider.stopped(attempt))\n            return\n",
        "            return\n",
        HANGS + "test_a_coroutine_that_ignores_its_cancellation_is_given_up",
    ),
    Rule(
        13, "a server goes on with half of its slots lost", "server/traffic.py",
        "if 2 * len(self.executor.overstaying) >= self._config.concurrency and", "if False and",
        HANGS + "test_at_half_of_the_slots_the_server_stops",
    ),
    Rule(
        13, "threads come from asyncio's pool", "server/executor.py",
        "run_in_executor(self._threads, call)", "run_in_executor(None, call)",
        RUNNING + "test_there_are_as_many_threads_as_slots",
    ),
    Rule(
        14, "tasks are taken whatever the number of unwritten outcomes", "server/traffic.py",
        "if is_swamped or not", "if not",
        FENCE + "test_too_many_unwritten_outcomes_stop_the_taking",
    ),
    Rule(
        14, "a refusal that passes is taken for an error", "broker/trouble.py",
        '"READONLY", "OOM",', '"OOM",',
        OUTAGES + "test_a_read_only_store_is_waited_for",
    ),
    Rule(
        14, "outcomes that could not be written are not named", "server/serving.py",
        "            self.unwritten = len(self.acknowledger.unanswered)\n", "",
        RUNNING + "test_outcomes_that_cannot_be_written_are_named_and_end_the_process_badly",
    ),
    Rule(
        15, "a timeout ends the process alone, not what it started", "server/isolation/cells.py",
        "os.killpg(self._process.pid, signal.SIGKILL)", "os.kill(self._process.pid, signal.SIGKILL)",
        ISOLATION + "test_a_timeout_kills_the_process_and_what_it_started",
    ),
    Rule(
        15, "nobody watches for the end of the server", "server/isolation/child.py",
        "poll.register(alive, 0)", "pass",
        ISOLATION + "test_no_orphan_survives_its_server",
    ),
    Rule(
        15, "functions that no other process finds are accepted", "app/declared.py",
        '    if "<" in name:\n', "    if False:\n",
        ISOLATION + "test_functions_that_no_other_process_finds_are_refused",
    ),
    Rule(
        15, "a cancelled caller's unsent task is sent", "broker/coalescer.py",
        "if self._drop is not None and self._drop(item):", "if False:",
        CLIENT + "test_a_cancelled_caller_drops_what_was_not_sent",
    ),
    Rule(
        15, "a client is used on any event loop", "broker/store.py",
        "        if loop is not asyncio.get_running_loop():", "        if False:",
        CLIENT + "test_a_client_belongs_to_its_loop",
    ),
    Rule(
        16, "a delay counts from this machine's clock", "options.py",
        'return f"+{delay * 1000:.3f}" if delay else ""', 'return str(int((__import__("time").time() + delay) * 1000))',
        RUNNING + "test_time_is_the_stores",
    ),
    Rule(
        17, "an exact time counts whatever has become of its task", lua("lib/forward"),
        "return public and tonumber(public) == math.ceil(tonumber(due_ms) / 1000) and state",
        "return public and state",
        MAINTAIN + "test_an_exact_time_counts_only_while_it_is_true",
    ),
    Rule(
        17, "old exact times are never swept", lua("lib/sweep"),
        "    if not waits_exactly(page[i], page[i + 1]) then", "    if false then",
        DAMAGE + "test_entries_that_belong_to_nothing_are_swept_in_chunks",
    ),
    Rule(
        18, "public scores are cut down, as Go's are", lua("lib/place"),
        "int(math.ceil(at / 1000))", "int(math.floor(at / 1000))",
        PRODUCE + "test_a_scheduled_task_is_scored_upwards",
    ),
    Rule(
        19, "nobody is told that something is due earlier", lua("lib/place"),
        'redis.call("PUBLISH", "onebeat:wake", queue)', "",
        PRODUCE + "test_the_forwarder_is_woken_when_the_head_moves_up",
    ),
    Rule(
        20, "the lock is taken before the id is looked at", lua("lib/place"),
        '    return "conflict"\n', '    redis.call("SET", unique_key, id, "NX")\n    return "conflict"\n',
        PRODUCE + "test_a_conflict_leaves_no_lock",
    ),
    Rule(
        20, "whoever ends frees the lock, whose ever it is", lua("lib/unlock"),
        'if unique_key and unique_key ~= "" and redis.call("GET", unique_key) == id then',
        'if unique_key and unique_key ~= "" then',
        CONSUME + "test_only_its_own_lock_is_released",
    ),
    Rule(
        21, "what belongs to one run stays for the next", lua("take"),
        '"pending_since", "ob_done", "ob_instead", "ob_prev", "ob_progress", "ob_cancel")', '"pending_since")',
        CONSUME + "test_what_belongs_to_one_run_goes_with_it",
    ),
    Rule(
        21, "a timeout below a second is cut to whole ones", lua("lib/place"),
        'if timeout_ms ~= "" then', "if false then",
        PRODUCE + "test_an_exact_timeout_stands_in_the_hash",
    ),
    Rule(
        22, "a fruitless wake is not waited out", "server/watcher.py",
        "            if self._fruitless.get(queue):\n", "            if False:\n",
        RUNNING + "test_fruitless_wakes_are_waited_out",
    ),
    Rule(
        22, "a paused queue is peeked", "server/watcher.py",
        "        self._left_alone.add(queue)\n", "        self._may_peek.set()\n",
        FENCE + "test_a_paused_queue_is_not_peeked",
    ),
    Rule(
        23, "every queue is peeked", "server/watcher.py",
        "MAX_PEEKS = 16", "MAX_PEEKS = 60",
        QUEUES + "test_the_heaviest_and_the_last_busy_are_peeked",
    ),
    Rule(
        23, "every queue is maintained for itself", "upkeep/maintainer.py",
        "        return not done.is_busy and", "        return False and",
        "tests/unit/test_upkeep.py::test_a_queue_rests_when_nothing_is_due_soon",
    ),
    Rule(
        24, "slots are shared without weights", "server/shares.py",
        "            self._credit[queue] += self._weights[queue]", "            self._credit[queue] += 1",
        QUEUES + "test_weights_hold_over_many_tasks",
    ),
    Rule(
        24, "strict priority asks all queues at once", "server/shares.py",
        "if self._strict or len(queues) == 1:", "if len(queues) == 1:",
        RUNNING + "test_strict_priority_is_never_inverted",
    ),
    Rule(
        25, "long runners are looked for from the young end", "server/outcome.py",
        "ended - attempt.started > TAIL_AFTER_S", "False",
        "tests/unit/test_outcome.py::test_long_runners_are_looked_for_from_the_old_end",
    ),
    Rule(
        26, "bytes that are no task are retried like one", "server/outcome.py",
        "return _finished(attempt, Outcome.ARCHIVED, ended, blob=clean_text(reason))",
        "return put_back(attempt, ended)",
        RUNNING + "test_bytes_that_are_no_task_are_set_aside",
    ),
    Rule(
        26, "an unknown type costs a retry", "server/outcome.py",
        'number=pause_ms, blob="unknown")', 'number=pause_ms, blob="failure")',
        RUNNING + "test_an_unknown_type_waits_without_losing_a_retry",
    ),
    Rule(
        26, "an id without a record is handed out", lua("take"),
        "  if fields[1] and fields[5]", "  if fields[5]",
        CONSUME + "test_an_id_without_a_message_is_dropped",
    ),
    Rule(
        27, "redis-py repeats by itself", "broker/endpoint.py",
        "AsyncRetry(NoBackoff(), 0)", "AsyncRetry(NoBackoff(), 3)",
        CLIENT + "test_redis_py_repeats_nothing_by_itself",
    ),
    Rule(
        28, "a store that evicts is not warned of", "broker/dangers.py",
        'if policy != "noeviction" and', "if False and",
        "tests/unit/test_dangers.py::test_each_danger_has_its_remedy",
    ),
    Rule(
        28, "a store that is too old is used", "broker/opening.py",
        "if version_of(info) < MINIMUM_VERSION:", "if False:",
        CLIENT + "test_a_store_that_is_too_old_is_refused",
    ),
    Rule(
        35, "a server does not inherit the lock", "broker/embedded.py",
        "process = self._spawn(self._command(engine, socket), server)",
        "process = self._spawn(self._command(engine, socket))",
        EMBEDDED + "TestSharing::test_two_processes_share_one_store",
    ),
    Rule(
        35, "a network file system is trusted", "broker/place.py",
        "in NETWORK_FILE_SYSTEMS:", "in ():",
        EMBEDDED + "TestRefusals::test_network_file_system",
    ),
    Rule(
        35, "a socket path of any length is tried", "broker/place.py",
        "if len(os.fsencode(socket)) >= SOCKET_BYTES:", "if False:",
        EMBEDDED + "TestRefusals::test_socket_path_too_long",
    ),
    Rule(
        35, "Ctrl-C reaches the server", "broker/embedded.py",
        "                start_new_session=True,\n", "",
        EMBEDDED + "TestEnds::test_ctrl_c_does_not_reach_the_server",
    ),
    Rule(
        35, "a relative path is another store", "broker/embedded.py",
        "path = Path(os.path.realpath(path))", "path = Path(path)",
        EMBEDDED + "TestSharing::test_relative_path_and_link_are_the_same_store",
    ),
    Rule(
        35, "a dead guardian is not replaced", "broker/embedded.py",
        "            if watch.take():\n", "            if watch.take() and not (self._path / 'store.json').exists():\n",
        EMBEDDED + "TestEnds::test_killed_guardian_is_replaced_by_the_next_opener",
    ),
    Rule(
        35, "a killed server stays dead for those that use it", "broker/store.py",
        "            self._revive()\n", "            pass\n",
        EMBEDDED + "test_a_server_that_is_killed_is_started_again_by_its_users",
    ),
]  # fmt: skip
