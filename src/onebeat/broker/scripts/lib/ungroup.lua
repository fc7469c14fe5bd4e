-- ungroup: take an aggregating task out of wherever it is: its group, or a set that is being aggregated (SE-65).
--
-- quit(id, group) returns whether it was in either; an empty group is listed no longer, an empty set is forgotten.
-- forget_set(key) and unlist_if_empty(group) are what keeps those lists true. The keys: lib/group.lua.
-- asynq: inspect.go runTaskCmd, deleteTaskCmd, archiveTaskCmd, which know groups only, and fail on sets.

local MAX_SETS = 1000 -- aggregation sets of a queue that are looked through; a server has at most 16 at a time

local function unlist_if_empty(group)
  if redis.call("ZCARD", KEYS[1] .. "g:" .. group) == 0 then
    redis.call("SREM", KEYS[1] .. "groups", group)
    redis.call("ZREM", KEYS[2] .. "groups", group)
    redis.call("HDEL", KEYS[2] .. "joined", group)
  end
end

local function forget_set(key)
  redis.call("DEL", key)
  redis.call("ZREM", KEYS[1] .. "aggregation_sets", key)
  redis.call("HDEL", KEYS[2] .. "sets", key)
end

local function quit(id, group)
  local members = KEYS[1] .. "g:" .. (group or "")
  if redis.call("ZREM", members, id) == 1 then
    unlist_if_empty(group)
    return true
  end
  local start = members .. ":"
  for _, key in ipairs(redis.call("ZRANGE", KEYS[1] .. "aggregation_sets", 0, MAX_SETS - 1)) do
    if string.sub(key, 1, #start) == start and redis.call("ZREM", key, id) == 1 then
      if redis.call("EXISTS", key) == 0 then
        forget_set(key)
      end
      return true
    end
  end
  return false
end
