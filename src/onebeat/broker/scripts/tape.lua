-- tape: what a client must know to compute more ticks of a calendar schedule.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due, stuck zset · d:<id> hash · tape:<id> list
-- ARGV[1] str   id
-- returns list                 now (ms) · rev · timing · last known tick (ms); empty when there is nothing to refill

local d = redis.call("HMGET", KEYS[2] .. "d:" .. ARGV[1], "rev", "timing", "state", "every")
if not d[1] or d[3] ~= "live" or d[4] then
  redis.call("ZREM", KEYS[2] .. "stuck", ARGV[1])
  return {}
end
local last = redis.call("LINDEX", KEYS[2] .. "tape:" .. ARGV[1], -1)
  or redis.call("ZSCORE", KEYS[2] .. "due", ARGV[1])
  or redis.call("ZSCORE", KEYS[2] .. "stuck", ARGV[1])
if not last or last == "end" then
  return {}
end
return { int(now_ms), d[1], d[2], last }
