-- job_stop: have the runner of a job stop it at its next sign of life; one that nobody runs is stopped at once.
-- uses: clock
--
-- KEYS[1] hash  onebeat:job:<id>   state, runner, seen (ms), ended (ms), stop
-- ARGV[1] str   by                 who stops it
-- ARGV[2] int   lost_ms            silent for longer than this, its runner counts as gone
-- returns str                      "stopping" · "stopped" · "gone" · the state that it ended in

local state, seen = unpack(redis.call("HMGET", KEYS[1], "state", "seen"))
if state ~= "running" then
  return state or "gone"
end
redis.call("HSET", KEYS[1], "stop", ARGV[1])
if now_ms - (tonumber(seen) or 0) <= tonumber(ARGV[2]) then
  return "stopping"
end
redis.call("HSET", KEYS[1], "state", "stopped", "runner", "", "ended", int(now_ms))
return "stopped"
