-- stats: how much work one queue holds and did (asynq: inspect.go currentStatsCmd, without its memory estimate).
-- uses: clock, counters
--
-- KEYS[1] root  asynq:{q}:     the lists and zsets of the states · processed, failed and their days · paused · groups,
--                              aggregation_sets, g:<group>, g:<group>:<set>
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   most           groups, and aggregation sets, that are counted
-- returns list                 pending · active · scheduled · retry · archived · completed · aggregating · staged ·
--                              groups · processed, failed today · processed, failed in all · paused (0, 1) ·
--                              age of the next pending task (ms; 0 unknown) · since when it is pending (ms; 0 unknown) ·
--                              scheduled and retried tasks past their time · active tasks whose lease ended two
--                              minutes ago or earlier
--
-- With more groups than `most` the caller counts their tasks in steps (groups.lua).

local most = tonumber(ARGV[1])

local function size(command, suffix)
  return redis.call(command, KEYS[1] .. suffix)
end

local function total(suffix)
  return tonumber(redis.call("GET", KEYS[1] .. suffix) or "0") or 0
end

local aggregating, staged = 0, 0
for _, group in ipairs(redis.call("SRANDMEMBER", KEYS[1] .. "groups", most)) do
  aggregating = aggregating + redis.call("ZCARD", KEYS[1] .. "g:" .. group)
end
for _, set in ipairs(redis.call("ZRANGE", KEYS[1] .. "aggregation_sets", 0, most - 1)) do
  staged = staged + redis.call("ZCARD", set)
end
local age, since_ms, oldest = 0, 0, redis.call("LINDEX", KEYS[1] .. "pending", -1)
if oldest then
  local since_us = tonumber(string.sub(redis.call("HGET", KEYS[1] .. "t:" .. oldest, "pending_since") or "", 1, -4))
  age = since_us and math.max(0, math.floor((now_us - since_us) / 1000)) or 0 -- Lua's numbers hold µs, but not ns
  since_ms = since_us and math.max(0, math.min(now_ms, math.floor(since_us / 1000))) or 0
end

local function past(suffix, seconds)
  return redis.call("ZCOUNT", KEYS[1] .. suffix, "-inf", now_s - seconds)
end

local today = ":" .. utc_date(now_s)
return {
  size("LLEN", "pending"), size("LLEN", "active"), size("ZCARD", "scheduled"), size("ZCARD", "retry"),
  size("ZCARD", "archived"), size("ZCARD", "completed"), aggregating, staged, size("SCARD", "groups"),
  int(total("processed" .. today)), int(total("failed" .. today)), int(total("processed")), int(total("failed")),
  redis.call("EXISTS", KEYS[1] .. "paused"), int(age), int(since_ms), past("scheduled", 0) + past("retry", 0),
  past("lease", 120),
}
