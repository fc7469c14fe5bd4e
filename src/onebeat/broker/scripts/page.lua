-- page: some tasks of one state, whole, in the order of asynq's tools (inspect.go listMessages, listZSetEntries).
-- uses: clock, readable, describe, front
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · pending, active list · the other states' zsets, g:<group>, lease
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   suffix         of the list or zset
-- ARGV[2] int   offset         from the first
-- ARGV[3] int   limit
-- ARGV[4] int   max_bytes      stop once the tasks weigh this much (at least one is given)
-- returns list                 how many entries were looked at · then per task its id and what lib/describe.lua says
--
-- Entries without a record are passed over (SE-13).

local answer, weight, seen = { 0 }, 0, 0
for _, id in ipairs(front(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))) do
  local found = describe(id)
  weight = weight + (found and #found[1] + #found[3] or 0)
  if seen > 0 and weight > tonumber(ARGV[4]) then
    break
  end
  seen = seen + 1
  if found then
    answer[#answer + 1] = id
    for _, field in ipairs(found) do
      answer[#answer + 1] = field
    end
  end
end
answer[1] = seen
return answer
