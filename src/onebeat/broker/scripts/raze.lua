-- raze: delete what else is left of one queue that holds no task, in steps over all keys of its store (SE-08).
-- uses: admit, vacant
--
-- KEYS[1] root  asynq:{q}:     every key that begins so, but `paused`
-- KEYS[2] root  onebeat:{q}:   likewise
-- ARGV[1] str   cursor         "0", or where the last answer left off
-- ARGV[2] int   count          about how many keys of the store are looked at
-- returns list of str          the next cursor ("0": that was all; "full": tasks came, purge them first) · then the ids
--                              of schedules that were deleted
--
-- Also the histories of its schedules and the list of them that asynq's tools read go. Records of tasks that are in
-- no list any more (SE-10), groups that are listed no more (SE-03), and locks of nobody are found by their names alone.

if not is_vacant() then
  return { "full" }
end
local tag = string.match(KEYS[1], "{.*}")
local roots = { KEYS[1], KEYS[2], "asynq:scheduler_history:" .. tag .. ":" }
local pattern = "*" .. string.gsub(tag, "[%*%?%[%]\\]", "\\%0") .. ":*"
local found = redis.call("SCAN", ARGV[1], "MATCH", pattern, "COUNT", ARGV[2])
local answer = { found[1] }

local function is_ours(key)
  for _, root in ipairs(roots) do
    if string.sub(key, 1, #root) == root then
      return key ~= KEYS[1] .. "paused"
    end
  end
  return false
end

local definition = KEYS[2] .. "d:"
for _, key in ipairs(found[2]) do
  if is_ours(key) then
    redis.call("UNLINK", key)
    if string.sub(key, 1, #definition) == definition then
      answer[#answer + 1] = string.sub(key, #definition + 1)
    end
  end
end
redis.call("DEL", "asynq:schedulers:" .. tag)
return answer
