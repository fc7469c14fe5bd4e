-- maintain: everything one queue needs from time to time, in one call: fire its schedules, forward what
-- is due, recover what lapsed, delete what expired, mend what is damaged.
-- uses: clock, guard, counters, protobuf, archive, forward, recover, expire, sweep, tick
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   max_crashes    a task whose process died this often is archived
-- ARGV[2,3] int size, age_s    what the archive keeps (lib/archive.lua); absent: as it was said before
-- returns list                 now (µs) · next due instant (ms) or "" · forwarded · expired ·
--                              fired ("<id> <tick>") · recovered ("<place> <id>") · low (ids of calendars
--                              that want ticks) · errors ("<part> <text>") · mended · 1 if tasks run or
--                              schedules await their ticks, else 0
--
-- Any number of servers may call it at any time. Each part is guarded: one that fails, because a key
-- holds a foreign type, does not stop the others. While the store's memory is full no schedule fires, as
-- no client can enqueue; all that frees memory goes on (mechanism-rules 4). Whether it is full is told by
-- the first write, which the store then refuses; after the second, which it never refuses, it lets all pass.

local errors, fired, low = {}, {}, {}
local probe = redis.pcall("HSET", KEYS[2] .. "beat", "seen", int(now_ms))
local is_full = type(probe) == "table" and string.find(probe.err, "OOM", 1, true)
redis.call("DEL", KEYS[2] .. "nil")

local function part(name, run, ...)
  local answer = guarded(run, ...)
  if type(answer) == "string" then
    errors[#errors + 1] = name .. " " .. answer
    return nil
  end
  return answer
end

part("schedules", function()
  if is_full then
    errors[#errors + 1] = "schedules wait: the store's memory is full"
    return
  end
  local failed
  fired, low, failed = fire_schedules()
  for _, text in ipairs(failed) do
    errors[#errors + 1] = "schedule " .. text
  end
end)
local forwarded = part("forward", forward) or 0
local recovered = part("recover", recover, tonumber(ARGV[1])) or {}
local expired = part("expire", expire) or 0
expired = expired
  + (part("archive", function()
    if ARGV[3] then
      keep_in_archive(ARGV[2], ARGV[3])
    end
    return trim_archive()
  end) or 0)
local mended = part("sweep", sweep) or 0

local function next_due()
  local soonest = math.huge
  for key, unit in pairs({
    [KEYS[2] .. "exact"] = 1,
    [KEYS[2] .. "due"] = 1,
    [KEYS[1] .. "scheduled"] = 1000,
    [KEYS[1] .. "retry"] = 1000,
    [KEYS[1] .. "completed"] = 1000,
  }) do
    local head = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")
    soonest = math.min(soonest, head[2] and tonumber(head[2]) * unit or math.huge)
  end
  return soonest
end

local soonest = part("next", next_due) or math.huge
local next_ms = soonest < math.huge and int(soonest) or ""
local is_busy = redis.call("EXISTS", KEYS[1] .. "active", KEYS[1] .. "lease", KEYS[2] .. "stuck") > 0 and 1 or 0
return { int(now_us), next_ms, forwarded, expired, fired, recovered, low, errors, mended, is_busy }
