-- describe_schedules: schedules of one queue as they stand, for those who look.
-- uses: clock, readable
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due, stuck, declared zset · d:<id>, seen:<id> hash
-- ARGV[1…] str  ids            at most 100
-- returns list                 now (ms) · list of key, type, … of keys of a foreign type, then per schedule: empty where there is none; where it left for another queue
--                              the name of that alone; else the fields below, in their order, "" where there is none · next tick (ms) or "" ·
--                              1 if its calendar has no tick, else "" · last declared (ms) or "" ·
--                              its forms: content hash, "<first seen> <last seen>" … (lib/contest.lua)

local FIELDS = {
  "rev", "app", "state", "timing", "spec", "every", "msg", "options", "unique_key", "provided", "prev", "prev_at",
  "fired", "missed", "skipped", "ran", "paused", "held", "error", "moved",
}
local MOVED = 20

local function describe(id)
  local d = read({}, "HMGET", KEYS[2] .. "d:" .. id, unpack(FIELDS))
  if not d[1] then
    return {}
  elseif d[MOVED] then
    return { d[MOVED] }
  end
  for i = 1, #FIELDS do
    d[i] = d[i] or ""
  end
  d[#d + 1] = read(false, "ZSCORE", KEYS[2] .. "due", id) or ""
  d[#d + 1] = read(false, "ZSCORE", KEYS[2] .. "stuck", id) and "1" or ""
  d[#d + 1] = read(false, "ZSCORE", KEYS[2] .. "declared", id) or ""
  d[#d + 1] = read({}, "HGETALL", KEYS[2] .. "seen:" .. id)
  return d
end

local found = { int(now_ms), {} }
for _, id in ipairs(ARGV) do
  found[#found + 1] = describe(id)
end
found[2] = foreign()
return found
