-- clock: an instant set by a test, in place of lib/clock.lua. Only the test room loads this file.
--
-- Reads onebeat:test:now (microseconds), and the store's TIME while that key is absent. In a cluster it may lie on
-- another node, where a script cannot read it: so there are three of it, and of three nodes each has one.
--
-- A time to live would pass by the store's own clock. So while onebeat:test:locks exists (zset: key → when it
-- lapses, ms), unique locks are set without one, and lapse when the instant comes; scripts need not know.

local server = redis
local clock, now_us
for _, key in ipairs({ "onebeat:test:now", "onebeat:test:now:a", "onebeat:test:now:b" }) do
  clock = server.pcall("GET", key)
  if type(clock) ~= "table" then
    break
  end
end
if clock then
  now_us = tonumber(clock)
else
  clock = server.call("TIME")
  now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
end
local now_s = math.floor(now_us / 1000000)
local now_ms = math.floor(now_us / 1000)

local function int(n)
  return string.format("%.0f", n)
end

local LOCKS = "onebeat:test:locks"

-- When a lock lapses (ms); nil where none is known by that key, or where it has lapsed, and is gone by now.
local function lapses_at(key)
  local at = server.call("ZSCORE", LOCKS, key)
  if at and tonumber(at) <= now_ms then
    server.call("DEL", key)
    server.call("ZREM", LOCKS, key)
    return nil
  end
  return at and tonumber(at) or nil
end

local simulated = {}

function simulated.SET(key, holder, ...)
  local condition, unit, lock_ms = ...
  if condition ~= "NX" or unit ~= "PX" then
    return server.call("SET", key, holder, ...)
  end
  lapses_at(key)
  local taken = server.call("SET", key, holder, "NX")
  if taken then
    server.call("ZADD", LOCKS, int(now_ms + tonumber(lock_ms)), key)
  end
  return taken
end

function simulated.GET(key)
  lapses_at(key)
  return server.call("GET", key)
end

function simulated.PTTL(key)
  local at = lapses_at(key)
  return at and at - now_ms or server.call("PTTL", key)
end

function simulated.RENAMENX(from, to)
  local at = lapses_at(from)
  lapses_at(to)
  local moved = server.call("RENAMENX", from, to)
  if moved == 1 and at then
    server.call("ZREM", LOCKS, from)
    server.call("ZADD", LOCKS, int(at), to)
  end
  return moved
end

local redis = setmetatable({
  call = function(name, ...)
    if simulated[name] and server.pcall("EXISTS", LOCKS) == 1 then
      return simulated[name](...)
    end
    return server.call(name, ...)
  end,
}, { __index = server })
