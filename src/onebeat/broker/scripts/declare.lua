-- declare: say which schedules of this queue an application instance has in its code.
-- uses: clock, guard, contest, drop
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due, stuck zset · d:<id>, seen:<id> hash · tape:<id> list (all: lib/tick.lua) ·
--                              declared zset (id → last declared, ms) · retired zset · app:<app> hash (since, last)
-- ARGV[1] str   app            schedules of other applications are left alone
-- ARGV[2] int   live_ms        an instance that has not declared for this long is gone; "<live_ms> keep" parks nothing,
--                              for an instance that does not know all of its schedules yet
-- ARGV[3…] per schedule        id · content hash · from_ms or "" · seen or "" (as handoff gave it) ·
--                              how many fields and ticks follow (0 and 0 names only the hash) ·
--                              names and values of its hash · ticks of its tape, ms, "end" last
-- returns list of str          per schedule: "kept" | "wanted" (in force, send the definition) | "written" |
--                              "outvoted" (a newer form is live) | "error <text>"; then "orphaned <id>" …, or
--                              "dropped <id>" of those that a source had provided: gone in a day (lib/drop.lua)
--
-- A definition whose timing is unchanged keeps its next tick, so redeploys shift nothing. Schedules that
-- no instance declared for live_ms, while instances of the same app live, are parked as `orphaned`. What is paused
-- stays so, in whatever form it is declared (pause_schedule.lua).

local due, stuck, live_ms = KEYS[2] .. "due", KEYS[2] .. "stuck", tonumber(string.match(ARGV[2], "%d+"))
local named = {}
local KEPT = { "prev", "prev_at", "fired", "missed", "skipped", "ran", "catch_up" }

local function import(id, forms)
  for hash, times in pairs(forms == "" and {} or cmsgpack.unpack(forms)) do
    redis.call("HSETNX", KEYS[2] .. "seen:" .. id, hash, times)
  end
end

local function first_tick(id, definition, tape, from)
  local after = math.max(now_ms, tonumber(from) or 0)
  if definition.every then
    local every = tonumber(definition.every)
    return (math.floor(after / every) + 1) * every
  end
  local key, first = KEYS[2] .. "tape:" .. id, nil
  redis.call("DEL", key)
  for _, entry in ipairs(tape) do
    local at = tonumber(entry)
    if not first and at and at > after then
      first = at
    elseif first then
      redis.call("RPUSH", key, at and int(at) or entry)
    end
  end
  return first
end

-- Since when it is paused, if it is: as it is here, or, where it comes from another queue, was there.
local function paused_since(old, definition)
  local brought = definition.paused
  definition.paused = nil
  if old.state then
    return old.paused
  end
  return brought
end

local function write(id, hash, old, definition, tape, from)
  local key = KEYS[2] .. "d:" .. id
  local counters, paused = redis.call("HMGET", key, unpack(KEPT)), paused_since(old, definition)
  local fields = { "rev", hash, "app", ARGV[1], "state", paused and "paused" or "live" }
  if paused then
    definition.paused = paused
  end
  for name, value in pairs(definition) do
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  for i, name in ipairs(KEPT) do
    if counters[i] then
      fields[#fields + 1] = name
      fields[#fields + 1] = counters[i]
    end
  end
  redis.call("DEL", key)
  redis.call("HSET", key, unpack(fields))
  if old.state == "orphaned" then -- it may have been dropped
    undrop(id)
  end
  local keeps_tick = (old.state == "live" or old.state == "paused") and old.timing == definition.timing and from == ""
  if keeps_tick then
    if old.held then
      redis.call("HSET", key, "held", old.held)
    end
    return
  end
  redis.call("ZREM", stuck, id)
  local first = first_tick(id, definition, tape, from)
  if paused then
    redis.call("HSET", key, "held", int(first or now_ms + 1))
    return
  end
  if not first then
    redis.call("ZREM", due, id)
    redis.call("ZADD", stuck, int(now_ms), id)
    return
  end
  redis.call("ZADD", due, int(first), id)
end

-- The table of `count` names and values from ARGV[at] on; nil when there are none.
local function fields_at(at, count)
  local fields = count > 0 and {} or nil
  for i = at, at + count * 2 - 1, 2 do
    fields[ARGV[i]] = ARGV[i + 1]
  end
  return fields
end

local function declare(id, hash, from, forms, definition, tape)
  local old = redis.call("HMGET", KEYS[2] .. "d:" .. id, "rev", "state", "timing", "moved", "paused", "held")
  import(id, forms)
  named[id] = true
  if redis.call("ZSCORE", KEYS[2] .. "retired", id .. " " .. hash) then -- see retire
    return "outvoted"
  end
  local in_force = seen(id, hash, live_ms)
  redis.call("ZADD", KEYS[2] .. "declared", int(now_ms), id)
  if not in_force then
    return "outvoted"
  elseif old[1] == hash and old[2] ~= "orphaned" and old[2] ~= "error" and not old[4] then
    return "kept"
  elseif not definition then
    return "wanted"
  end
  local before = old[4] and {} or { state = old[2], timing = old[3], paused = old[5], held = old[6] }
  write(id, hash, before, definition, tape, from)
  return "written"
end

-- Park what no live instance of this app has in its code any more.
local function orphans()
  local app, parked = KEYS[2] .. "app:" .. ARGV[1], {}
  local times = redis.call("HMGET", app, "since", "last")
  local since, last = tonumber(times[1] or "0"), tonumber(times[2] or "0")
  if now_ms - last > live_ms then
    since = now_ms
  end
  redis.call("HSET", app, "since", int(since), "last", int(now_ms))
  if since > now_ms - live_ms or string.find(ARGV[2], "keep", 1, true) then
    return parked
  end
  for _, id in ipairs(redis.call("ZRANGEBYSCORE", KEYS[2] .. "declared", "-inf", int(now_ms - live_ms))) do
    local d = redis.call("HMGET", KEYS[2] .. "d:" .. id, "app", "state", "provided")
    if d[1] == ARGV[1] and d[2] ~= "orphaned" and (d[2] == "live" or d[2] == "paused" or d[3]) and not named[id] then
      local leave = d[3] and drop or park
      leave(id)
      parked[#parked + 1] = (d[3] and "dropped " or "orphaned ") .. id
    end
  end
  return parked
end

local head = redis.call("ZRANGE", due, 0, 0, "WITHSCORES")[2]
local answers, i = {}, 3
while i < #ARGV do
  local fields, ticks = tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
  local first_field, first_tick_at = i + 6, i + 6 + fields * 2
  local tape = { unpack(ARGV, first_tick_at, first_tick_at + ticks - 1) }
  local definition = fields_at(first_field, fields)
  answers[#answers + 1] = guarded(declare, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], definition, tape)
  i = first_tick_at + ticks
end
for _, text in ipairs(orphans()) do
  answers[#answers + 1] = text
end
local now_head = redis.call("ZRANGE", due, 0, 0, "WITHSCORES")[2]
if now_head and (not head or tonumber(now_head) < tonumber(head)) then
  redis.call("PUBLISH", "onebeat:wake", string.match(KEYS[2], "{(.*)}"))
end
return answers
