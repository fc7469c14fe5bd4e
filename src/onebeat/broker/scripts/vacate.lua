-- vacate: begin, give up or end the removal of one queue (asynq: inspect.go removeQueueCmd, removeQueueForceCmd).
-- uses: admit, clock, vacant
--
-- KEYS[1] root  asynq:{q}:     all lists and sets that hold tasks · paused string
-- KEYS[2] root  onebeat:{q}:   out hash
-- ARGV[1] str   step           begin | force (begin, though tasks wait) | end
-- returns str                  "active <n>" | "outgoing <n>" (combined tasks on their way to other queues) | "full" |
--                              "begun" | "paused" (begun; it was paused before) | "ended" | "full" (tasks came meanwhile)
--
-- While it is removed a queue is paused, so that no server, Go's among them, takes a task of it.

local active = redis.call("LLEN", KEYS[1] .. "active")
if active > 0 then
  return "active " .. active
end
local outgoing = redis.call("HLEN", KEYS[2] .. "out")
if ARGV[1] ~= "force" and outgoing > 0 then
  return "outgoing " .. outgoing
elseif ARGV[1] ~= "force" and not is_vacant() then
  return "full"
elseif ARGV[1] == "end" then
  redis.call("DEL", KEYS[1] .. "paused")
  return "ended"
end
return redis.call("SETNX", KEYS[1] .. "paused", now_s) == 1 and "begun" or "paused"
