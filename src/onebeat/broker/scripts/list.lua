-- list: one page of the ids of one state (asynq: inspect.go listMessages, listZSetEntries).
--
-- KEYS[1] root  asynq:{q}:     pending, active list · the other states' zsets
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   kind           "list" or "zset"
-- ARGV[2] str   state
-- ARGV[3] int   offset
-- ARGV[4] int   limit
-- returns list of str          ids; of a list the next to run first, of a zset by rising score

local key, offset, limit = KEYS[1] .. ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[1] == "zset" then
  return redis.call("ZRANGE", key, offset, offset + limit - 1)
end
local page, turned = redis.call("LRANGE", key, -offset - limit, -offset - 1), {}
for i = #page, 1, -1 do
  turned[#turned + 1] = page[i]
end
return turned
