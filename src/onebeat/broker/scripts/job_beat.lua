-- job_beat: say that a job is still being run and how far it is, or that it ended; and hear whether to stop.
-- uses: clock
--
-- KEYS[1] hash  onebeat:job:<id>   state, runner, seen (ms), ended (ms), stop
-- ARGV[1] str   runner
-- ARGV[2] int   ttl_s
-- ARGV[3] str   state              "running", or what it ended as
-- ARGV[4…] str  field, value …
-- returns str                      "on" · "stop" · "taken" if another runs it by now, or it is forgotten

if redis.call("HGET", KEYS[1], "runner") ~= ARGV[1] then
  return "taken"
end
redis.call("HSET", KEYS[1], "state", ARGV[3], "seen", int(now_ms), unpack(ARGV, 4))
if ARGV[3] ~= "running" then
  redis.call("HSET", KEYS[1], "ended", int(now_ms), "runner", "")
end
redis.call("EXPIRE", KEYS[1], ARGV[2])
return redis.call("HEXISTS", KEYS[1], "stop") == 1 and "stop" or "on"
