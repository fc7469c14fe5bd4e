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

local function is_lock(name, key, ...)
  return name == "SET" and select(2, ...) == "NX" and select(3, ...) == "PX" and server.pcall("EXISTS", LOCKS) == 1
end

local function lock(key, holder, lock_ms)
  local lapses = server.call("ZSCORE", LOCKS, key)
  if lapses and tonumber(lapses) <= now_ms then
    server.call("DEL", key)
  end
  local taken = server.call("SET", key, holder, "NX")
  if taken then
    server.call("ZADD", LOCKS, int(now_ms + tonumber(lock_ms)), key)
  end
  return taken
end

local redis = setmetatable({
  call = function(name, ...)
    if is_lock(name, ...) then
      return lock((...), (select(2, ...)), (select(5, ...)))
    end
    return server.call(name, ...)
  end,
}, { __index = server })
