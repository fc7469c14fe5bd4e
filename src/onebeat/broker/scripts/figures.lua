-- figures: what many queues hold and did, for metrics, in one short call. It only reads.
-- uses: clock, guard
--
-- KEYS[1] root  asynq:{q}:     of the first queue; the keys of the others are made from their names
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   most           commands after which no further queue is looked at
-- ARGV[2] int   groups         groups, and aggregation sets, of a queue whose tasks are counted
-- ARGV[3…] str                 names of queues
-- returns list                 per queue that was looked at, in order, either "error <text>", or a list: processed,
--                              failed in all, and, unless it is at rest: pending · active · scheduled · retry ·
--                              archived · completed · tasks in the groups that were counted · such groups · groups ·
--                              tasks in the sets that were counted · such sets · sets · age of the next pending task
--                              (ms; 0 unknown) · since when it is paused (s; "" is not) · active tasks whose lease
--                              is past · scheduled and retry tasks past their time · schedules · how long the first
--                              tick is overdue (ms)
--
-- One store holds all queues here; a cluster needs one call per queue. At least one queue is looked at.

local most, of_groups, used = tonumber(ARGV[1]), tonumber(ARGV[2]), 0

local function call(...)
  used = used + 1
  return redis.call(...)
end

local function counted(keys)
  local sum = 0
  for _, key in ipairs(keys) do
    sum = sum + call("ZCARD", key)
  end
  return sum
end

local function age(asynq)
  local oldest = call("LINDEX", asynq .. "pending", -1)
  local since = oldest and call("HGET", asynq .. "t:" .. oldest, "pending_since")
  local since_us = since and tonumber(string.sub(since, 1, -4)) -- Lua's numbers hold µs, but not ns
  return since_us and math.max(0, math.floor((now_us - since_us) / 1000)) or 0
end

local function past(key, size)
  return size > 0 and call("ZCOUNT", key, "-inf", now_s) or 0
end

local function overdue(due, schedules)
  local head = schedules > 0 and call("ZRANGE", due, 0, 0, "WITHSCORES")
  return head and head[2] and math.max(0, math.floor(now_ms - tonumber(head[2]))) or 0
end

local function grouped(asynq, row)
  local groups, sets = call("SCARD", asynq .. "groups"), call("ZCARD", asynq .. "aggregation_sets")
  local names = groups > 0 and call("SRANDMEMBER", asynq .. "groups", of_groups) or {}
  for i, name in ipairs(names) do
    names[i] = asynq .. "g:" .. name
  end
  local keys = sets > 0 and call("ZRANGE", asynq .. "aggregation_sets", 0, of_groups - 1) or {}
  for _, number in ipairs({ counted(names), #names, groups, counted(keys), #keys, sets }) do
    row[#row + 1] = number
  end
end

local function look(name)
  local asynq, own = "asynq:{" .. name .. "}:", "onebeat:{" .. name .. "}:"
  local totals = call("MGET", asynq .. "processed", asynq .. "failed")
  local row = { totals[1] or "0", totals[2] or "0" }
  if
    call("EXISTS", asynq .. "pending", asynq .. "active", asynq .. "scheduled", asynq .. "retry", asynq .. "archived",
      asynq .. "completed", asynq .. "groups", asynq .. "aggregation_sets", asynq .. "paused", asynq .. "lease",
      own .. "due", own .. "stuck") == 0
  then
    return row
  end
  local pending, active = call("LLEN", asynq .. "pending"), call("LLEN", asynq .. "active")
  local scheduled, retry = call("ZCARD", asynq .. "scheduled"), call("ZCARD", asynq .. "retry")
  row[3], row[4], row[5], row[6] = pending, active, scheduled, retry
  row[7], row[8] = call("ZCARD", asynq .. "archived"), call("ZCARD", asynq .. "completed")
  grouped(asynq, row)
  local ticks = call("ZCARD", own .. "due")
  row[15], row[16] = int(pending > 0 and age(asynq) or 0), call("GET", asynq .. "paused") or ""
  row[17] = past(asynq .. "lease", 1)
  row[18] = past(asynq .. "scheduled", scheduled) + past(asynq .. "retry", retry)
  row[19], row[20] = ticks + call("ZCARD", own .. "stuck"), int(overdue(own .. "due", ticks))
  return row
end

local rows = {}
for i = 3, #ARGV do
  rows[#rows + 1] = guarded(look, ARGV[i])
  if used >= most then
    break
  end
end
return rows
