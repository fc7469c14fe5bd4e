-- members: read a set that is being aggregated, in the order in which its members joined (asynq: rdb.go ReadAggregationSet).
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:     g:<group>:<set> zset · t:<id> hash
-- KEYS[2] root  onebeat:{q}:   sets hash
-- ARGV[1] str   set            its key
-- ARGV[2] str   owner          the server whose set it is
-- returns list                 of each member id · msg; nothing if the set is not that server's any more
--
-- At most 1,000 members and 4 MB, by how sets are made. A member without a message is dropped.

local record = redis.call("HGET", KEYS[2] .. "sets", ARGV[1])
if not record or string.match(record, "^%d+ (.*)$") ~= ARGV[2] then
  return {}
end
local found = {}
for _, id in ipairs(redis.call("ZRANGE", ARGV[1], 0, -1)) do
  local msg = redis.call("HGET", KEYS[1] .. "t:" .. id, "msg")
  if msg then
    found[#found + 1], found[#found + 2] = id, msg
  else
    redis.call("ZREM", ARGV[1], id)
  end
end
return found
