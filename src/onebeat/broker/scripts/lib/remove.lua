-- remove: take a task that does not run out of the queue for good (asynq: inspect.go deleteTaskCmd).
--
-- remove(id, task, state, group, unique_key) deletes it from where its state says it is, frees its unique
-- lock if the lock is its own, and deletes its record; false, and nothing done, if it is not there. Of a task that
-- aggregates it takes the record's word, as its group may have been lost. Needs unlock, ungroup.

local function leave(id, state, group)
  if state == "pending" then
    return redis.call("LREM", KEYS[1] .. "pending", 0, id) > 0
  elseif state ~= "aggregating" then
    return redis.call("ZREM", KEYS[1] .. state, id) > 0
  end
  quit(id, group)
  return true
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
