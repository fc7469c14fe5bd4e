-- remove: take a task that does not run out of the queue for good (asynq: inspect.go deleteTaskCmd).
--
-- remove(id, task, state, group, unique_key) deletes it from where its state says it is, frees its unique
-- lock if the lock is its own, and deletes its record; false, and nothing done, if it is not there.
-- An empty group is listed no longer. Needs unlock.

local function leave(id, state, group)
  if state == "pending" then
    return redis.call("LREM", KEYS[1] .. "pending", 0, id) > 0
  elseif state ~= "aggregating" then
    return redis.call("ZREM", KEYS[1] .. state, id) > 0
  end
  local members = KEYS[1] .. "g:" .. (group or "")
  local left = redis.call("ZREM", members, id) > 0
  if left and redis.call("ZCARD", members) == 0 then
    redis.call("SREM", KEYS[1] .. "groups", group)
  end
  return left
end

local function remove(id, task, state, group, unique_key)
  if not leave(id, state, group) then
    return false
  end
  redis.call("ZREM", KEYS[2] .. "exact", id)
  release(unique_key, id)
  redis.call("DEL", task)
  return true
end
