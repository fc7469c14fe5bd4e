-- mirror: show the schedules of one queue as one virtual scheduler (asynq: rdb.go WriteSchedulerEntries).
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   only for its tag: the list is asynq:schedulers:{q}
-- ARGV[1] int   ttl_s
-- ARGV[2…] bytes entries       SchedulerEntry messages, soonest first
-- returns int                  how many are shown

local shown = "asynq:schedulers:" .. string.match(KEYS[2], "{.*}")
redis.call("DEL", shown)
for i = 2, #ARGV do
  redis.call("RPUSH", shown, ARGV[i])
end
redis.call("EXPIRE", shown, ARGV[1])
return #ARGV - 1
