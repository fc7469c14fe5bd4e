-- group_ages: when the first and the last of those joined that wait in some groups of one queue.
--
-- KEYS[1] root  asynq:{q}:     g:<group> zset
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1…] str                 names of groups
-- returns list                 per group the two instants (s); "" where nobody waits

local answer = {}
for _, group in ipairs(ARGV) do
  local key = KEYS[1] .. "g:" .. group
  for _, place in ipairs({ 0, -1 }) do
    answer[#answer + 1] = redis.call("ZRANGE", key, place, place, "WITHSCORES")[2] or ""
  end
end
return answer
