-- result: keep a result of a running task of one queue, if it still is the caller's (asynq: rdb.go WriteResult).
-- uses: fence
--
-- KEYS[1] root  asynq:{q}:     lease zset · t:<id> hash
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   id
-- ARGV[2] str   token
-- ARGV[3] bytes result
-- returns int                  1 written, 0 the task is not the caller's any more, and nothing was
--
-- asynq writes without looking, and so leaves a record of a task that is gone (SE-14).

local task = KEYS[1] .. "t:" .. ARGV[1]
local fields = redis.call("HMGET", task, "state", "ob_own", "ob_lease")
if fields[1] ~= "active" or not holds(ARGV[2], fields[2], fields[3], redis.call("ZSCORE", KEYS[1] .. "lease", ARGV[1])) then
  return 0
end
redis.call("HSET", task, "result", ARGV[3])
return 1
