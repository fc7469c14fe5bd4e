-- clock: the store's own time, read once per script (mechanism-rules 16).
--
-- Gives now_us, now_ms, now_s (numbers) and int(n), the digits of a whole number: Lua's own
-- conversion turns anything from 1e14 on into an exponent, and replies cut fractions off.

local clock = redis.call("TIME")
local now_s = tonumber(clock[1])
local now_us = now_s * 1000000 + tonumber(clock[2])
local now_ms = math.floor(now_us / 1000)

local function int(n)
  return string.format("%.0f", n)
end
