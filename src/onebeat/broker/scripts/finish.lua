-- finish: write what became of a batch of active tasks of one queue, each only if it is still the caller's.
-- uses: admit, clock, fence, guard, counters, protobuf, archive, unlock, attempts
--
-- KEYS[1] root  asynq:{q}:     active, pending list · lease, retry, completed, archived zset · t:<id> hash ·
--                              processed, failed and their days · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   queue          published on onebeat:wake when its next due time moves up
-- ARGV[2] bytes attempts      "", or of tasks by their place in the batch, from 1, what to keep of the attempt: MessagePack
--                              of place, JSON, … (lib/attempts.lua)
-- ARGV[3…] per task            id · token · outcome · side of `active` to search first ("1" head, "-1" tail) ·
--                              unique key or "" · head · tail (the new message, around its time field) ·
--                              number · blob
--   outcome done               forget it
--   outcome completed          keep it `number` seconds with the result `blob`
--   outcome retry              again in `number` ms; blob "failure" counts, "unknown" marks it, "apart" neither
--                              counts nor touches the message or the crash count, "waits" does not count, and
--                              "soft" but in ob_soft (SE-26): "soft <n>" archives the task when it is more than n
--                              there, and "soft … release" then frees its lock
--   outcome archived           keep it for a human; an empty head leaves the bytes as they are, blob says why
--   outcome pending            back to the front of the queue, as if never taken
--   outcome cancelled          to the archive as "cancelled", its lock freed; also what becomes of a retry or a
--                              return to the queue of a task that is marked (ob_cancel)
--                              An end is told to the client in ob_wait, on onebeat:reply:<client>.
-- returns list of str          "applied" | "spent" (one "soft" too many: archived) | "cancelled" (it was marked, and
--                              is archived instead) | "already" (by this token; where that was one of these two, it is
--                              said again) | "gone" | "lost" | "error <text>"
--
-- asynq: rdb.go Done, MarkAsComplete, Retry, Archive, Requeue, but verified before anything moves (SE-31).
-- A success that comes after its lease was recovered still counts while the task waits (rule 5).

local asynq, exact = KEYS[1], KEYS[2] .. "exact"
local lease = asynq .. "lease"
local processed, failed, earliest = 0, 0, nil
local head_due = redis.call("ZRANGE", exact, 0, 0, "WITHSCORES")[2]

local outcomes = {}

function outcomes.done(id, task, unique_key)
  redis.call("DEL", task)
  release(unique_key, id)
  processed = processed + 1
end

function outcomes.completed(id, task, unique_key, head, tail, retention, result)
  local msg = head .. COMPLETED_AT .. varint(now_s) .. tail
  redis.call("HSET", task, "msg", msg, "state", "completed")
  if result ~= "" then
    redis.call("HSET", task, "result", result)
  end
  redis.call("HDEL", task, "ob_crash", "ob_unknown", "ob_soft")
  redis.call("ZADD", asynq .. "completed", int(now_s + tonumber(retention)), id)
  release(unique_key, id)
  processed = processed + 1
end

-- Count a soft failure; whether the task is spent by it, and archived.
local function is_spent(id, task, unique_key, head, tail, kind)
  local times, limit = redis.call("HINCRBY", task, "ob_soft", 1), string.match(kind, "%d+")
  if not limit or times <= tonumber(limit) then
    return false
  end
  local reason = string.find(kind, "release", 1, true) and "release" or ""
  outcomes.archived(id, task, unique_key, head, tail, 0, reason)
  return true
end

function outcomes.retry(id, task, unique_key, head, tail, delay_ms, kind)
  if string.sub(kind, 1, 4) == "soft" and is_spent(id, task, unique_key, head, tail, kind) then
    return "archived"
  end
  local at = math.ceil(now_us / 1000 + tonumber(delay_ms))
  redis.call("HSET", task, "state", "retry")
  if kind ~= "apart" then
    redis.call("HSET", task, "msg", head .. LAST_FAILED_AT .. varint(now_s) .. tail)
  end
  redis.call("ZADD", asynq .. "retry", int(math.ceil(at / 1000)), id)
  redis.call("ZADD", exact, int(at), id)
  earliest = math.min(earliest or at, at)
  if kind == "unknown" then
    redis.call("HSETNX", task, "ob_unknown", int(now_ms))
  elseif kind ~= "apart" then
    redis.call("HDEL", task, "ob_crash", "ob_unknown")
  end
  if kind == "failure" then
    processed, failed = processed + 1, failed + 1
  end
end

function outcomes.archived(id, task, unique_key, head, tail, _, reason)
  if head == "" then
    file_in_archive(id, task, "ob_error", reason)
    release(redis.call("HGET", task, "unique_key"), id)
  else
    file_in_archive(id, task, "msg", head .. LAST_FAILED_AT .. varint(now_s) .. tail)
  end
  if reason == "release" then
    release(unique_key, id)
  end
  redis.call("HDEL", task, "ob_crash", "ob_unknown")
  trim_archive()
  processed, failed = processed + 1, failed + 1
end

function outcomes.pending(id, task)
  redis.call("RPUSH", asynq .. "pending", id)
  redis.call("HSET", task, "state", "pending", "pending_since", int(now_us) .. "000")
end

function outcomes.cancelled(id, task, unique_key)
  local msg = redis.call("HGET", task, "msg") .. text_field(ERROR_MSG, "cancelled")
  file_in_archive(id, task, "msg", msg .. LAST_FAILED_AT .. varint(now_s))
  release(unique_key, id)
  redis.call("HDEL", task, "ob_crash", "ob_unknown", "ob_cancel")
  trim_archive()
  processed, failed = processed + 1, failed + 1
end

-- Where the task waits, which client waits for it and whether it is cancelled, if the caller may still finish
-- it; otherwise nil and the answer that says why not.
local function claim(id, task, token, outcome)
  local fields = redis.call("HMGET", task, "state", "ob_own", "ob_lease", "ob_done", "ob_prev", "ob_wait", "ob_cancel", "pending_since")
  if not fields[1] then
    return nil, "gone"
  elseif fields[4] == token then
    return nil, redis.call("HGET", task, "ob_instead") or "already"
  elseif fields[1] == "active" and holds(token, fields[2], fields[3], redis.call("ZSCORE", lease, id)) then
    return "active", fields[6], fields[7]
  elseif fields[1] == "pending" and waits_since(token, fields[5], fields[8]) and (outcome == "done" or outcome == "completed") then
    return "pending", fields[6]
  end
  return nil, "lost"
end

local ENDS = { done = true, completed = true, archived = true, cancelled = true }
local sizes = { completed = "ZCARD", retry = "ZCARD", archived = "ZCARD", pending = "LLEN", cancelled = "ZCARD" }
local SETS = { cancelled = "archived" }

local KEPT_AS = { retry = "retried", pending = "returned" }

local function finish(about, id, token, outcome, side, ...)
  local task = asynq .. "t:" .. id
  local place, note, is_cancelled = claim(id, task, token, outcome)
  if not place then
    return note
  end
  local answer = "applied"
  if is_cancelled and (outcome == "retry" or outcome == "pending") then
    outcome, answer = "cancelled", "cancelled"
  end
  if sizes[outcome] then
    redis.call(sizes[outcome], asynq .. (SETS[outcome] or outcome)) -- a foreign type must fail before anything moves
    if outcome == "retry" then
      redis.call("ZCARD", asynq .. "archived") -- where one ends that is spent
    end
  end
  redis.call("LREM", asynq .. place, place == "active" and side or "-1", id)
  redis.call("ZREM", lease, id)
  local instead = outcomes[outcome](id, task, ...)
  outcome, answer = instead or outcome, instead and "spent" or answer
  if outcome ~= "done" and redis.call("EXISTS", task) == 1 then -- a full archive may have dropped it at once
    redis.call("HSET", task, "ob_done", token)
    if answer ~= "applied" then
      redis.call("HSET", task, "ob_instead", answer)
    end
    if about then
      note_attempt(task, KEPT_AS[outcome] or outcome, about)
    end
  end
  if note and ENDS[outcome] then
    redis.call("PUBLISH", "onebeat:reply:" .. note, ARGV[1] .. "\0" .. id)
  end
  return answer
end

local answers, attempts = {}, {}
if ARGV[2] ~= "" then
  local is_readable, given = pcall(cmsgpack.unpack, ARGV[2])
  for i = 1, is_readable and #given or 0, 2 do -- no outcome waits for what is only kept beside it
    attempts[given[i]] = given[i + 1]
  end
end
for i = 3, #ARGV, 9 do
  local place = #answers + 1
  answers[place] = guarded(finish, attempts[place], unpack(ARGV, i, i + 8))
end
count(processed, failed)
if earliest and (not head_due or earliest < tonumber(head_due)) then
  redis.call("PUBLISH", "onebeat:wake", ARGV[1])
end
return answers
