-- page: some tasks of one state, whole, in the order of asynq's tools (inspect.go listMessages, listZSetEntries).
-- uses: clock, describe
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

local key, limit, offset = KEYS[1] .. ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[2])
local is_list = ARGV[1] == "pending" or ARGV[1] == "active"

local function ids_of_page()
  if not is_list then
    return redis.call("ZRANGE", key, offset, offset + limit - 1)
  end
  local page, turned = redis.call("LRANGE", key, -offset - limit, -offset - 1), {}
  for i = #page, 1, -1 do
    turned[#turned + 1] = page[i]
  end
  return turned
end

local answer, weight, seen = { 0 }, 0, 0
for _, id in ipairs(ids_of_page()) do
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
