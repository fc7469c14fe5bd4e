-- resume_schedule: let a paused schedule fire again, from a tick on that the caller has computed.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due zset · d:<id> hash · tape:<id> list
-- ARGV[1] str   id
-- ARGV[2] str   rev            of the definition that the ticks were computed of
-- ARGV[3] int   paused         since when it was paused then (ms), "" if only its state said so (an instance of an older
--                              version has declared it meanwhile) …
-- ARGV[4] int   held           … and its next tick at that time (ms), or ""
-- ARGV[5] int   catch_up       ticks up to here (ms) all fire, however late; "": as ever (lib/tick.lua)
-- ARGV[6…] str  ticks          ms, rising: the one that is due next, then of a calendar the tape; "end" after the last
-- returns str                  "resumed" | "changed" (by somebody else meanwhile) | "marked <state>" (orphaned or in
--                              error: it is paused no more, and does not fire either) | "moved <queue>" | "gone"
--
-- Ticks depend on the definition alone, and none before `held` is given, so whatever fired before the pause does not
-- fire again, and the phase is what it was.

local key = KEYS[2] .. "d:" .. ARGV[1]
local d = redis.call("HMGET", key, "state", "rev", "paused", "held", "moved", "every")
if not d[1] then
  return "gone"
elseif d[5] then
  return "moved " .. d[5]
elseif d[2] ~= ARGV[2] or (d[3] or "") ~= ARGV[3] or (d[4] or "") ~= ARGV[4] then
  return "changed"
end
redis.call("HDEL", key, "paused", "held")
if d[1] ~= "paused" then
  return "marked " .. d[1]
end
if ARGV[5] ~= "" then
  redis.call("HSET", key, "catch_up", ARGV[5])
end
local tape = KEYS[2] .. "tape:" .. ARGV[1]
redis.call("DEL", tape)
if not d[6] then
  for i = 7, #ARGV do
    redis.call("RPUSH", tape, ARGV[i])
  end
end
if ARGV[6] == "end" then
  redis.call("HSET", key, "state", "done")
  return "resumed"
end
redis.call("HSET", key, "state", "live")
redis.call("ZADD", KEYS[2] .. "due", ARGV[6], ARGV[1])
redis.call("PUBLISH", "onebeat:wake", string.match(KEYS[2], "{(.*)}"))
return "resumed"
