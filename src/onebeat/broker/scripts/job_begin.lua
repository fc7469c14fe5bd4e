-- job_begin: write a new job, or let somebody go on with one that nobody runs.
-- uses: clock
--
-- KEYS[1] hash  onebeat:job:<id>   state, runner, seen (ms), stop and what broker/jobs.py writes
-- ARGV[1] str   runner             who will run it; "" for a new one that nobody runs yet
-- ARGV[2] int   lost_ms            silent for longer than this, its runner counts as gone
-- ARGV[3] int   ttl_s              it is forgotten so long after the last sign of life
-- ARGV[4…] str  field, value …
-- returns list                     "begun", or why not: "gone", "running", "done" · now (ms)
--
-- Of several who want to go on with a job one does: the next finds it running, under another name.

local is_new = ARGV[1] == ""
local state, runner, seen = unpack(redis.call("HMGET", KEYS[1], "state", "runner", "seen"))
local runs = state == "running" and runner ~= "" and now_ms - (tonumber(seen) or 0) <= tonumber(ARGV[2])
if not is_new and (not state or state == "done" or runs) then
  return { not state and "gone" or state, int(now_ms) }
end
if is_new then
  redis.call("HSET", KEYS[1], "created", int(now_ms))
end
if runner ~= "" or state ~= "running" then -- else nobody has run it yet, and an order to stop is not to be missed
  redis.call("HDEL", KEYS[1], "stop", "error", "ended")
end
redis.call("HSET", KEYS[1], "state", "running", "runner", ARGV[1], "seen", int(now_ms), "begun", int(now_ms), unpack(ARGV, 4))
redis.call("EXPIRE", KEYS[1], ARGV[3])
return { "begun", int(now_ms) }
