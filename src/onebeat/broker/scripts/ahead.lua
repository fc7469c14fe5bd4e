-- ahead: what many queues have to do now, and when next. It only reads; the test kit's way to leap through time.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:     of the first queue; the keys of the others are made from their names
-- KEYS[2] root  onebeat:{q}:
-- ARGV    str   names of queues
-- returns list                 of each queue five items: 1 if tasks are pending and it is not paused, else 0 ·
--                              the next due instant (ms) or "" · 1 if it wants looking after now, else 0 ·
--                              how many tasks are under a lease · when the first of these lapses (s) or ""
--
-- Unlike `survey` it tells what is due later of a queue in which tasks run, and of leases. That a result is deleted
-- is due at its instant, but nothing to stop at.

local answer = {}

local function head(key)
  return tonumber(redis.call("ZRANGE", key, 0, 0, "WITHSCORES")[2])
end

for _, name in ipairs(ARGV) do
  local asynq, own, n = "asynq:{" .. name .. "}:", "onebeat:{" .. name .. "}:", #answer
  local soonest = math.min(
    head(own .. "exact") or math.huge,
    head(own .. "due") or math.huge,
    head(own .. "groups") or math.huge,
    (head(asynq .. "scheduled") or math.huge) * 1000,
    (head(asynq .. "retry") or math.huge) * 1000
  )
  local lapse = head(asynq .. "lease")
  local is_over = (head(asynq .. "completed") or math.huge) <= now_s
  local wants = soonest <= now_ms or is_over or redis.call("EXISTS", own .. "stuck") == 1
  answer[n + 1] = redis.call("EXISTS", asynq .. "pending") > redis.call("EXISTS", asynq .. "paused") and 1 or 0
  answer[n + 2] = soonest < math.huge and int(soonest) or ""
  answer[n + 3] = wants and 1 or 0
  answer[n + 4] = redis.call("ZCARD", asynq .. "lease")
  answer[n + 5] = lapse and int(lapse) or ""
end
return answer
