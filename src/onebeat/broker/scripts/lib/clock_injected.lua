-- clock: an instant set by a test, in place of lib/clock.lua. Only the test room loads this file.
--
-- Reads onebeat:test:now (microseconds), and the store's TIME while that key is absent.

local clock = redis.call("GET", "onebeat:test:now")
local now_us
if clock then
  now_us = tonumber(clock)
else
  clock = redis.call("TIME")
  now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
end
local now_s = math.floor(now_us / 1000000)
local now_ms = math.floor(now_us / 1000)

local function int(n)
  return string.format("%.0f", n)
end
