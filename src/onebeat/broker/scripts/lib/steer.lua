-- steer: what an operator does to a task that does not run, once it has left its list or set
-- (asynq: inspect.go runTaskCmd, archiveTaskCmd, deleteTaskCmd).
--
-- record(id) reads what is needed of a task; steer.run, steer.archive and steer.delete (id, task, f) do the rest.
-- Unlike asynq, `run` sets pending_since (SE-40), clears the crash count (rule 10) and the expiry, takes the task out
-- of its group for good (SE-22), and gives an archived or completed task all its retries again: under asynq one that
-- had used them up would be archived again by its next failure. `delete` frees the lock wherever it is named (SE-11),
-- and both `archive` and `delete` tell who waits for the task. Needs clock, guard, protobuf, archive, unlock, lock.

local FIELDS = { "msg", "state", "group", "unique_key", "ob_error", "ob_wait" }

local function record(id)
  local f = redis.call("HMGET", KEYS[1] .. "t:" .. id, unpack(FIELDS))
  return { msg = f[1], state = f[2] or "", group = f[3] or "", unique_key = f[4], set_aside = f[5], waiter = f[6] }
end

local function tell_waiter(id, waiter)
  if waiter then
    redis.call("PUBLISH", "onebeat:reply:" .. waiter, string.match(KEYS[1], "{(.*)}") .. "\0" .. id)
  end
end

local steer = {}

function steer.run(id, task, f)
  redis.call("ZREM", KEYS[2] .. "exact", id)
  redis.call("LPUSH", KEYS[1] .. "pending", id)
  redis.call("HDEL", task, "group", "ob_fails", "ob_crash", "ob_unknown", "ob_soft", "ob_error", "ob_cancel", "ob_expires")
  if f.state == "archived" or f.state == "completed" then
    redis.call("HDEL", task, "ob_prev", "ob_done") -- a new life: whoever ended the last one has no say in it
    if not f.set_aside then -- else its bytes are no message, and kept as they came
      redis.call("HSET", task, "msg", f.msg .. RETRIED .. varint(0))
    end
  end
  redis.call("HSET", task, "state", "pending", "pending_since", int(now_us) .. "000")
end

function steer.archive(id, task, f)
  redis.call("ZREM", KEYS[2] .. "exact", id)
  redis.call("HDEL", task, "pending_since", "ob_crash", "ob_unknown", "ob_prev", "ob_cancel")
  file_in_archive(id, task)
  tell_waiter(id, f.waiter)
end

function steer.delete(id, task, f)
  redis.call("ZREM", KEYS[2] .. "exact", id)
  guarded(release, lock_of(f.unique_key, f.msg), id) -- a key of a foreign type is no lock
  redis.call("DEL", task)
  tell_waiter(id, f.waiter)
end

-- Make room in the archive for `added` tasks: each call of trim_archive drops a hundred, hashes included (SE-10).
local function trim_for(added)
  for _ = 1, math.ceil(added / 100) + 1 do
    trim_archive()
  end
end
