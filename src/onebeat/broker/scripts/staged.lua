-- staged: some aggregation sets of one queue: tasks taken out of their group to be aggregated (SE-65).
--
-- KEYS[1] root  asynq:{q}:     aggregation_sets zset · g:<group>:<set> zset
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   offset
-- ARGV[2] int   limit
-- returns list                 per set: "<group>:<set>" · its tasks

local answer, prefix = {}, KEYS[1] .. "g:"
for _, set in ipairs(redis.call("ZRANGE", KEYS[1] .. "aggregation_sets", ARGV[1], ARGV[1] + ARGV[2] - 1)) do
  answer[#answer + 1] = string.sub(set, #prefix + 1)
  answer[#answer + 1] = redis.call("ZCARD", set)
end
return answer
