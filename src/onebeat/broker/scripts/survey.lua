-- survey: look at many queues in one call: which have work, and which want upkeep. It only reads.
-- uses: clock, guard
--
-- KEYS[1] root  asynq:{q}:     of the first queue; the keys of the others are made from their names
-- KEYS[2] root  onebeat:{q}:
-- ARGV    str   names of queues
-- returns list                 of each queue that is not at rest, three items: its place in ARGV (from 0) ·
--                              1 if tasks are pending and it is not paused, else 0 ·
--                              ms until something is due there (0: now; "": nothing is)
--
-- A queue with running tasks, with groups, or with schedules that await their ticks is always due: it wants looking after.
-- One store holds all queues here; a cluster needs one `survey` per queue. A queue one of whose keys holds a
-- foreign type is due, so that `maintain` finds out and says so.

local answer = {}

local function of_groups(asynq, own)
  return { asynq .. "groups", asynq .. "aggregation_sets", own .. "groups", own .. "sets", own .. "out" }
end

local function wait_ms(asynq, own)
  if redis.call("EXISTS", asynq .. "active", asynq .. "lease", own .. "stuck", unpack(of_groups(asynq, own))) > 0 then
    return 0
  end
  local soonest = math.huge
  for key, unit in pairs({
    [own .. "exact"] = 1,
    [own .. "due"] = 1,
    [asynq .. "scheduled"] = 1000,
    [asynq .. "retry"] = 1000,
    [asynq .. "completed"] = 1000,
  }) do
    local head = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")
    soonest = math.min(soonest, head[2] and tonumber(head[2]) * unit or math.huge)
  end
  return math.max(0, soonest - now_ms)
end

local function look(i, name)
  local asynq, own = "asynq:{" .. name .. "}:", "onebeat:{" .. name .. "}:"
  if
    redis.call("EXISTS", asynq .. "pending", asynq .. "active", asynq .. "lease", asynq .. "scheduled", asynq .. "retry",
      asynq .. "completed", own .. "exact", own .. "due", own .. "stuck", unpack(of_groups(asynq, own))) == 0
  then
    return
  end
  local has_work = redis.call("EXISTS", asynq .. "pending") > redis.call("EXISTS", asynq .. "paused")
  local wait, n = wait_ms(asynq, own), #answer
  answer[n + 1], answer[n + 2] = i - 1, has_work and 1 or 0
  answer[n + 3] = wait < math.huge and int(wait) or ""
end

for i, name in ipairs(ARGV) do
  if guarded(look, i, name) then
    local n = #answer
    answer[n + 1], answer[n + 2], answer[n + 3] = i - 1, 0, "0"
  end
end
return answer
