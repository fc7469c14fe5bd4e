-- stats: how much work one queue holds and did (asynq: inspect.go currentStatsCmd, without its memory estimate).
-- uses: clock, counters, readable
--
-- KEYS[1] root  asynq:{q}:     the lists and zsets of the states · processed, failed and their days · paused · groups,
--                              aggregation_sets, g:<group>, g:<group>:<set>
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   most           groups, and aggregation sets, that are counted
-- returns list                 pending · active · scheduled · retry · archived · completed · aggregating · staged ·
--                              groups · processed, failed today · processed, failed in all · paused (0, 1) ·
--                              age of the next pending task (ms; 0 unknown) · since when it is pending (ms; 0 unknown) ·
--                              scheduled and retried tasks past their time · active tasks whose lease ended two
--                              minutes ago or earlier · then key, type, … of keys that are of a foreign type, each of
--                              which counts as 0
--
-- With more groups than `most` the caller counts their tasks in steps (groups.lua).

local most = tonumber(ARGV[1])

local function size(command, suffix)
  return read(0, command, KEYS[1] .. suffix)
end

local function total(suffix)
  return tonumber(read(false, "GET", KEYS[1] .. suffix) or "0") or 0
end

local aggregating, staged = 0, 0
for _, group in ipairs(read({}, "SRANDMEMBER", KEYS[1] .. "groups", most)) do
  aggregating = aggregating + read(0, "ZCARD", KEYS[1] .. "g:" .. group)
end
for _, set in ipairs(read({}, "ZRANGE", KEYS[1] .. "aggregation_sets", 0, most - 1)) do
  staged = staged + read(0, "ZCARD", set)
end
local age, since_ms, oldest = 0, 0, read(false, "LINDEX", KEYS[1] .. "pending", -1)
if oldest then
  local since_us = tonumber(string.sub(read(false, "HGET", KEYS[1] .. "t:" .. oldest, "pending_since") or "", 1, -4))
  age = since_us and math.max(0, math.floor((now_us - since_us) / 1000)) or 0 -- Lua's numbers hold µs, but not ns
  since_ms = since_us and math.max(0, math.min(now_ms, math.floor(since_us / 1000))) or 0
end

local function past(suffix, seconds)
  return read(0, "ZCOUNT", KEYS[1] .. suffix, "-inf", now_s - seconds)
end

local today = ":" .. utc_date(now_s)
local answer = {
  size("LLEN", "pending"), size("LLEN", "active"), size("ZCARD", "scheduled"), size("ZCARD", "retry"),
  size("ZCARD", "archived"), size("ZCARD", "completed"), aggregating, staged, size("SCARD", "groups"),
  int(total("processed" .. today)), int(total("failed" .. today)), int(total("processed")), int(total("failed")),
  redis.call("EXISTS", KEYS[1] .. "paused"), int(age), int(since_ms), past("scheduled", 0) + past("retry", 0),
  past("lease", 120),
}
for _, word in ipairs(foreign()) do
  answer[#answer + 1] = word
end
return answer
