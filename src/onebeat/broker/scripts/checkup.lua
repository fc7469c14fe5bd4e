-- checkup: what is to be known of some queues to judge how they fare, in one call. It only reads.
-- uses: clock, guard, lock
--
-- KEYS[1] root  asynq:{q}:     of the first queue; the keys of the others are made from their names
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   samples        tasks of `pending` and of `retry` that are looked into
-- ARGV[2] int   max_bytes      of a task that is; a larger one is passed over
-- ARGV[3…] str  names of queues
-- returns list                 now (µs), then per queue names and values of a table, or text of an error
--
-- One store holds all queues here; a cluster needs one `checkup` per queue. Instants are numbers as they stand in the
-- store, "" where there is none. Of the queue that is looked at first lock_of needs its root in KEYS, so samples are
-- read by field_of alone.

local samples, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Names and values, as a reply holds no table; its numbers are whole, as all of these are.
local function flat(fields)
  local list = {}
  for name, value in pairs(fields) do
    list[#list + 1], list[#list + 2] = name, type(value) == "table" and not value[1] and next(value) and flat(value) or value
  end
  return list
end

local function first(key)
  local head = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")
  return tonumber(head[2]) or ""
end

local function number(key)
  return tonumber(redis.call("GET", key) or "0") or 0
end

local function sample(asynq, id)
  local task = asynq .. "t:" .. id
  if redis.call("HSTRLEN", task, "msg") > max_bytes then
    return nil
  end
  local f = redis.call("HMGET", task, "msg", "ob_unknown")
  if not f[1] then
    return nil
  end
  local kind = field_of(f[1], 1)
  return {
    id = id, type = kind or "", error = string.sub(field_of(f[1], 7) or "", 1, 300), unknown = f[2] and 1 or 0,
  }
end

local function sampled(asynq, ids)
  local found = {}
  for _, id in ipairs(ids) do
    local fields = sample(asynq, id)
    found[#found + 1] = fields and flat(fields)
  end
  return found
end

-- Half of them run next, the others came last.
local function of_pending(asynq)
  local key, half = asynq .. "pending", math.ceil(samples / 2)
  local ids, count = redis.call("LRANGE", key, -half, -1), redis.call("LLEN", key)
  for _, id in ipairs(count > half and redis.call("LRANGE", key, 0, math.min(half, count - half) - 1) or {}) do
    ids[#ids + 1] = id
  end
  return sampled(asynq, ids)
end

local function leases(asynq)
  local key = asynq .. "lease"
  local ahead = redis.call("ZRANGE", key, -1, -1, "WITHSCORES")
  local ours = ahead[1] and redis.call("HGET", asynq .. "t:" .. ahead[1], "ob_lease")
  return {
    count = redis.call("ZCARD", key),
    lapsed = redis.call("ZCOUNT", key, "-inf", now_s - 45), -- 15 s past the 30 that a lease of Go's clock is given more
    long_lapsed = redis.call("ZCOUNT", key, "-inf", now_s - 120),
    first = first(key),
    latest = tonumber(ahead[2]) or "",
    is_ours = ours and tonumber(ours) == tonumber(ahead[2]) and 1 or 0,
  }
end

local function oldest(asynq)
  local id = redis.call("LINDEX", asynq .. "pending", -1)
  return id and redis.call("HGET", asynq .. "t:" .. id, "pending_since") or ""
end

local function look(name)
  local asynq, own = "asynq:{" .. name .. "}:", "onebeat:{" .. name .. "}:"
  local limits = redis.call("HMGET", own .. "limits", "size", "age")
  local f = {
    name = name, paused = redis.call("GET", asynq .. "paused") or "", oldest = oldest(asynq), leases = leases(asynq),
    groups = redis.call("SCARD", asynq .. "groups"), sets = redis.call("ZCARD", asynq .. "aggregation_sets"),
    processed = number(asynq .. "processed"), failed = number(asynq .. "failed"),
    archive_size = limits[1] or "", archive_age = limits[2] or "", seen = redis.call("HGET", own .. "beat", "seen") or "",
    schedules = redis.call("ZCARD", own .. "declared"), schedule_due = first(own .. "due"),
    stuck = redis.call("ZCARD", own .. "stuck"), stuck_since = first(own .. "stuck"), declared = "",
    first_scheduled = first(asynq .. "scheduled"), first_retry = first(asynq .. "retry"),
    first_completed = first(asynq .. "completed"), first_set = first(asynq .. "aggregation_sets"),
  }
  for _, state in ipairs({ "pending", "active" }) do
    f[state] = redis.call("LLEN", asynq .. state)
  end
  for _, state in ipairs({ "scheduled", "retry", "archived", "completed" }) do
    f[state] = redis.call("ZCARD", asynq .. state)
  end
  local last = redis.call("ZRANGE", own .. "declared", -1, -1, "WITHSCORES")
  f.declared = tonumber(last[2]) or ""
  f.waiting = of_pending(asynq)
  f.failing = sampled(asynq, redis.call("ZRANGE", asynq .. "retry", 0, samples - 1))
  return f
end

local found = { int(now_us) }
for i = 3, #ARGV do
  local answer = guarded(look, ARGV[i])
  found[#found + 1] = type(answer) == "table" and flat(answer) or answer
end
return found
