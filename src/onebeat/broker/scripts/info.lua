-- info: one task as it stands (asynq: rdb.go GetTaskInfo).
-- uses: clock, readable, describe
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · scheduled, retry, lease zset
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   id
-- ARGV[2] str   waiter         "" or a client id: told on onebeat:reply:<client> when the task ends
-- returns list                 empty: no such task; else as in lib/describe.lua

local found = describe(ARGV[1])
if not found then
  redis.call("HLEN", KEYS[1] .. "t:" .. ARGV[1]) -- one of a foreign type is not absent, and fails
end
if found and ARGV[2] ~= "" and found[2] ~= "archived" and found[2] ~= "completed" then
  redis.call("HSET", KEYS[1] .. "t:" .. ARGV[1], "ob_wait", ARGV[2])
end
return found or {}
