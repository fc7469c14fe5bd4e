-- groups: some groups of one queue, and how many tasks wait in each (asynq: inspect.go GroupStats).
--
-- KEYS[1] root  asynq:{q}:     groups set · g:<group> zset
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   cursor         "0", or where the last answer left off
-- ARGV[2] int   count          about how many are wanted
-- returns list                 the next cursor ("0": that was all) · then per group its name and its tasks

local found = redis.call("SSCAN", KEYS[1] .. "groups", ARGV[1], "COUNT", ARGV[2])
local answer = { found[1] }
for _, group in ipairs(found[2]) do
  answer[#answer + 1] = group
  answer[#answer + 1] = redis.call("ZCARD", KEYS[1] .. "g:" .. group)
end
return answer
