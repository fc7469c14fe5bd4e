-- pause: stop the taking of tasks from one queue, or let it go on (asynq: inspect.go Pause, Unpause).
-- uses: admit, clock
--
-- KEYS[1] root  asynq:{q}:     paused string (since when, s)
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   action         pause | resume
-- returns int                  1: done, 0: it was so already

if ARGV[1] == "pause" then
  return redis.call("SETNX", KEYS[1] .. "paused", now_s)
end
return redis.call("DEL", KEYS[1] .. "paused")
