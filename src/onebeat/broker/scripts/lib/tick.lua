-- tick: fire every schedule of this queue that is due, at most 100 a call. "One fire per tick, without a leader."
--
-- fire_schedules() returns four lists: "<id> <tick>" fired · ids that want more ticks · "<id> <error>" · what passed
-- without becoming a task, "<late|locked|full> <ticks> <id>".
-- "Due?", enqueue and advance are this one step, and no caller brings a time, a tick or a token: any
-- instance may call at any moment, any number of times (docs/decisions/0004).
--
-- onebeat:{q}:due zset          id → next tick, ms
-- onebeat:{q}:stuck zset        id → last tick, for calendars whose tape ran out
-- onebeat:{q}:d:<id> hash       every · misfire · grace · msg (a TaskMessage without id) · until · state ·
--                               delay · unique_key · unique_ms · unique_until · timeout_ms · expires_ms · deadline_s · group ·
--                               prev (its last tick), prev_at (when that fired), ms · fired · missed · skipped · ran ·
--                               paused, held (pause_schedule.lua) · catch_up (ticks up to here all fire, ms)
-- onebeat:{q}:tape:<id> list    coming ticks of a calendar, ms; "end" after the last one there will ever be
-- asynq:scheduler_history:{q}:<id> zset   the last 50 fires, as Go's inspector reads them
--
-- Needs clock, guard, protobuf, group.

local BATCH, HISTORY, MAX_BACKLOG, LOW_TAPE = 100, 50, 100000, 8

-- The tick to fire now and the one after it. `late` collapses missed ticks into the latest; not those later than
-- `reach`: they are another queue's, to which the schedule moves.
local function next_interval(tick, every, late, reach)
  local fire = late and tick + math.floor((reach - tick) / every) * every or tick
  return { fire = fire, next = fire + every, missed = (fire - tick) / every, used = 0 }
end

local function next_calendar(id, tick, late, reach)
  local step = { fire = tick, missed = 0, used = 0 }
  local tape = redis.call("LRANGE", KEYS[2] .. "tape:" .. id, 0, 63)
  for i, entry in ipairs(tape) do
    local at = tonumber(entry)
    if entry == "end" then
      step.ended = true
    elseif at > step.fire and late and at <= reach then
      step.fire, step.missed, step.used = at, step.missed + 1, i
    elseif at > step.fire then
      step.next, step.used = at, i
      break
    end
  end
  step.low = not step.ended and #tape - step.used < LOW_TAPE
  return step
end

local function advance(id, step, d)
  local due, over = KEYS[2] .. "due", d.until_ms and step.next and step.next > d.until_ms
  if step.used > 0 then
    redis.call("LTRIM", KEYS[2] .. "tape:" .. id, step.used, -1)
  end
  if over or (step.ended and not step.next) then
    redis.call("ZREM", due, id)
    redis.call("HSET", d.key, "state", "done")
  elseif step.next then
    redis.call("ZADD", due, int(step.next), id)
  else
    redis.call("ZREM", due, id)
    redis.call("ZADD", KEYS[2] .. "stuck", int(step.fire), id)
  end
  if step.missed > 0 then
    redis.call("HINCRBY", d.key, "missed", int(step.missed))
  end
end

local function message(d, task_id, tick)
  local header = text_field("\10", "tick") .. text_field("\18", tick)
  local deadline = d.deadline_s and DEADLINE .. varint(math.floor(tonumber(tick) / 1000) + tonumber(d.deadline_s)) or ""
  return d.msg .. text_field(ID, task_id) .. deadline .. text_field(HEADERS, header)
end

-- Have Go's inspector, and ours, find that a task was enqueued.
local function note_event(id, task_id)
  local stamp = "\8" .. varint(now_s) .. "\16" .. varint((now_us - now_s * 1000000) * 1000)
  local history = "asynq:scheduler_history:" .. string.match(KEYS[2], "{.*}") .. ":" .. id
  redis.call("ZREMRANGEBYRANK", history, 0, -HISTORY)
  redis.call("ZADD", history, now_s, text_field("\10", task_id) .. text_field("\18", stamp))
end

local function record(id, d, task_id, tick)
  note_event(id, task_id)
  redis.call("HSET", d.key, "prev", tick, "prev_at", int(now_ms))
  redis.call("HINCRBY", d.key, "fired", 1)
end

-- Enqueue the task of one tick. False: it is there already; or it may not be, and why.
local function enqueue(id, d, task_id, tick)
  local task = KEYS[1] .. "t:" .. task_id
  if redis.call("EXISTS", task) == 1 then
    return false
  elseif redis.call("LLEN", KEYS[1] .. "pending") >= MAX_BACKLOG then
    return false, "full"
  end
  if d.group then
    check_group(d.group) -- before anything is written
  end
  local delay = tonumber(d.delay or "0")
  if d.unique_key then
    if not redis.call("SET", d.unique_key, task_id, "NX", "PX", int(tonumber(d.unique_ms) + delay)) then
      return false, "locked"
    end
    if d.unique_until ~= "ttl" then
      redis.call("HSET", task, "unique_key", d.unique_key)
    end
    if d.unique_until == "start" then
      redis.call("HSET", task, "ob_start", d.unique_key)
    end
  end
  if d.timeout_ms then
    redis.call("HSET", task, "ob_timeout_ms", d.timeout_ms)
  end
  redis.call("HSET", task, "msg", message(d, task_id, tick), "ob_tick", tick)
  local at = tonumber(tick) + delay
  if d.expires_ms then
    redis.call("HSET", task, "ob_expires", int(at + tonumber(d.expires_ms)))
  end
  if at > now_ms then
    redis.call("HSET", task, "state", "scheduled")
    if d.group then
      announce(task, d.group)
    end
    redis.call("ZADD", KEYS[1] .. "scheduled", int(math.ceil(at / 1000)), task_id)
    redis.call("ZADD", KEYS[2] .. "exact", int(at), task_id)
  elseif d.group then
    join(task_id, task, d.group)
  else
    redis.call("HSET", task, "state", "pending", "pending_since", int(now_us) .. "000")
    redis.call("LPUSH", KEYS[1] .. "pending", task_id)
  end
  return true
end

local FIELDS = {
  "every", "misfire", "grace", "msg", "until", "state", "delay", "unique_key", "unique_ms", "unique_until", "timeout_ms",
  "expires_ms", "deadline_s", "group", "catch_up",
}

local function definition(id)
  local key = KEYS[2] .. "d:" .. id
  local d = { key = key }
  for i, value in ipairs(redis.call("HMGET", key, unpack(FIELDS))) do
    d[FIELDS[i]] = value or nil
  end
  d.until_ms = tonumber(d["until"])
  return d
end

local function fire_one(id, tick, fired, low, missed)
  local d = definition(id)
  if not d.msg or d.state ~= "live" then
    redis.call("ZREM", KEYS[2] .. "due", id)
    return
  end
  local wants_all = d.misfire == "all" or tick <= (tonumber(d.catch_up) or 0)
  local late = now_ms - tick > tonumber(d.grace) and not wants_all
  local reach = math.max(tick, math.min(now_ms, d.until_ms or now_ms))
  local step = d.every and next_interval(tick, tonumber(d.every), late, reach) or next_calendar(id, tick, late, reach)
  local digits = int(step.fire)
  local task_id = id .. ":" .. digits
  local is_new, why
  if late and d.misfire == "skip" then
    step.missed = step.missed + 1
  else
    is_new, why = enqueue(id, d, task_id, digits)
    if is_new then
      record(id, d, task_id, digits)
      fired[#fired + 1] = id .. " " .. digits
    else
      redis.call("HINCRBY", d.key, "skipped", 1)
    end
  end
  advance(id, step, d)
  if step.missed > 0 then
    missed[#missed + 1] = "late " .. int(step.missed) .. " " .. id
  end
  if why then
    missed[#missed + 1] = why .. " 1 " .. id
  end
  if step.low then
    low[#low + 1] = id
  end
end

local function fire_schedules()
  local fired, low, errors, missed = {}, {}, {}, {}
  local due = redis.call("ZRANGEBYSCORE", KEYS[2] .. "due", "-inf", int(now_ms), "WITHSCORES", "LIMIT", 0, BATCH)
  for i = 1, #due, 2 do
    local answer = guarded(fire_one, due[i], tonumber(due[i + 1]), fired, low, missed)
    if answer then
      redis.call("ZREM", KEYS[2] .. "due", due[i])
      redis.call("HSET", KEYS[2] .. "d:" .. due[i], "state", "error", "error", answer)
      errors[#errors + 1] = due[i] .. " " .. answer
    end
  end
  for _, id in ipairs(redis.call("ZRANGE", KEYS[2] .. "stuck", 0, BATCH - 1)) do
    low[#low + 1] = id
  end
  return fired, low, errors, missed
end
