-- pause_schedule: let no tick of a schedule fire until it is resumed.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due, stuck zset · d:<id> hash (paused: since when, ms; held: its next tick then, ms)
-- ARGV[1] str   id
-- returns str                  "paused" | "already <since, ms>" | "done" | "moved <queue>" | "gone"
--
-- The mark outlives deploys, restarts and other definitions, as `declare` keeps it, and a move, as `handoff` takes it
-- along. A schedule that is orphaned, or in error, is marked as well: it is paused once it is declared again.

local key = KEYS[2] .. "d:" .. ARGV[1]
local d = redis.call("HMGET", key, "state", "paused", "moved")
if not d[1] then
  return "gone"
elseif d[3] then
  return "moved " .. d[3]
elseif d[2] then
  return "already " .. d[2]
elseif d[1] == "done" then
  return "done"
end
local due, stuck = redis.call("ZSCORE", KEYS[2] .. "due", ARGV[1]), redis.call("ZSCORE", KEYS[2] .. "stuck", ARGV[1])
redis.call("HSET", key, "paused", int(now_ms))
if d[1] == "live" then
  local held = tonumber(due) or (tonumber(stuck) or now_ms) + 1 -- of a calendar whose tape ran out: later than its last
  redis.call("HSET", key, "state", "paused", "held", int(held))
end
redis.call("ZREM", KEYS[2] .. "due", ARGV[1])
redis.call("ZREM", KEYS[2] .. "stuck", ARGV[1])
return "paused"
