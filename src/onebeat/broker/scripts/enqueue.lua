-- enqueue: put a batch of tasks on one queue, each pending or scheduled, with an answer for each.
-- uses: clock, guard
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · pending list · scheduled zset · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms) · c:<client> string (last batch and its answers, 600 s)
-- ARGV[1] str   queue          published on onebeat:wake when its next due time moves up
-- ARGV[2] str   client         one batch of a client and queue is under way at a time
-- ARGV[3] int   sequence       rises by one per batch; the same number again is the same batch
-- ARGV[4…] per task            id · msg · due ("" now, "+ms" from now, "ms" since 1970) · "", or in MessagePack a
--                              list of what few tasks have: unique key or "" · lock time in ms, counted from the
--                              due time · until when the lock holds: "" done, "start" or "ttl" · timeout in ms or ""
--                              · expires ("" never, "+ms" from the due time, "ms" since 1970)
-- returns list of str          "pending" | "scheduled <ms>" | "conflict" | "duplicate <holder>" | "error <text>",
--                              or "stale" alone when a later batch of this client was answered already
--
-- asynq: rdb.go Enqueue, EnqueueUnique, Schedule, ScheduleUnique. The id is checked before the lock is
-- taken, so that a conflict leaves no lock behind (SE-06). A repeat is answered from the record (rule 7).

local asynq, own = KEYS[1], KEYS[2]
local record = own .. "c:" .. ARGV[2]
local sequence = tonumber(ARGV[3])
local last = redis.call("GET", record)
if last then
  last = cmsgpack.unpack(last)
  if last[1] == sequence then
    return last[2]
  elseif last[1] > sequence then
    return { "stale" }
  end
end

redis.call("LLEN", asynq .. "pending") -- a foreign type must fail before anything is written
local head = redis.call("ZRANGE", own .. "exact", 0, 0, "WITHSCORES")[2]
local ready, earliest = {}, nil

local function due_ms(due)
  if due == "" then
    return now_ms
  end
  return tonumber(due) + (string.sub(due, 1, 1) == "+" and now_us / 1000 or 0)
end

-- The lock of a task that is unique for a time, and no longer or shorter, is in no record: nobody frees it.
local function lock(id, task, unique_key, lock_ms, till)
  if not redis.call("SET", unique_key, id, "NX", "PX", int(lock_ms)) then
    return redis.call("GET", unique_key) or ""
  elseif till ~= "ttl" then
    redis.call("HSET", task, "unique_key", unique_key)
  end
  if till == "start" then
    redis.call("HSET", task, "ob_start", unique_key)
  end
end

local NO_MORE = { "", 0, "", "", "" }

local function place(id, msg, due, rest)
  local task = asynq .. "t:" .. id
  local unique_key, lock_ms, till, timeout_ms, expires = unpack(rest == "" and NO_MORE or cmsgpack.unpack(rest))
  if redis.call("EXISTS", task) == 1 then
    return "conflict"
  end
  local at = math.ceil(due_ms(due))
  local delay = math.max(0, at - now_ms)
  if unique_key ~= "" then
    local holder = lock(id, task, unique_key, tonumber(lock_ms) + delay, till)
    if holder then
      return "duplicate " .. holder
    end
  end
  if timeout_ms ~= "" then
    redis.call("HSET", task, "ob_timeout_ms", timeout_ms)
  end
  if expires ~= "" then
    local from = string.sub(expires, 1, 1) == "+" and now_ms + delay or 0
    redis.call("HSET", task, "ob_expires", int(math.ceil(from + tonumber(expires))))
  end
  if delay == 0 then
    redis.call("HSET", task, "msg", msg, "state", "pending", "pending_since", int(now_us) .. "000")
    ready[#ready + 1] = id
    return "pending"
  end
  redis.call("HSET", task, "msg", msg, "state", "scheduled")
  redis.call("ZADD", asynq .. "scheduled", int(math.ceil(at / 1000)), id)
  redis.call("ZADD", own .. "exact", int(at), id)
  earliest = math.min(earliest or at, at)
  return "scheduled " .. int(at)
end

local answers = {}
for i = 4, #ARGV, 4 do
  answers[#answers + 1] = guarded(place, unpack(ARGV, i, i + 3))
end
if #ready > 0 then
  redis.call("LPUSH", asynq .. "pending", unpack(ready))
end
if earliest and (not head or earliest < tonumber(head)) then
  redis.call("PUBLISH", "onebeat:wake", ARGV[1])
end
redis.call("SET", record, cmsgpack.pack({ sequence, answers }), "PX", 600000)
return answers
