-- cancel: stop tasks of one queue for good: those that wait are deleted, those that run are marked.
-- uses: admit, fence, guard, unlock, lock, ungroup, remove, asfound
--
-- KEYS[1] root  asynq:{q}:     pending list · scheduled, retry, lease, g:<group>, g:<group>:<set>, aggregation_sets
--                              zset · groups set · t:<id> hash · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset · groups, joined, sets (lib/group.lua)
-- ARGV[1] str   queue
-- ARGV[2] bytes seen           "", or of each task what it must still be (lib/asfound.lua)
-- ARGV[3…] str  ids
-- returns list of str          "deleted" | "stopping" | "ended" (completed or archived) | "gone" |
--                              "changed" (it is not what was seen) | "error <text>"
--
-- The mark (ob_cancel) makes the word safe: who runs the task sees it with the next extension of its lease,
-- whoever recovers or gives back the task archives it instead (api rule 10; SE-24). A server of ours is told
-- on onebeat:cancel, with the queue, since ids are unique per queue only; a Go server on asynq:cancel, which
-- knows ids alone and retries what it cancels.

local function tell(id, own, lease)
  if own and holds(own, own, lease, redis.call("ZSCORE", KEYS[1] .. "lease", id)) then
    redis.call("PUBLISH", "onebeat:cancel", ARGV[1] .. "\0" .. id)
  else
    redis.call("PUBLISH", "asynq:cancel", id)
  end
end

local function cancel(id, seen)
  local task = KEYS[1] .. "t:" .. id
  local f = redis.call("HMGET", task, "state", "group", "unique_key", "ob_own", "ob_lease", "ob_wait", "msg")
  local state = f[1]
  if not state then
    return "gone"
  elseif has_changed(seen, state, f[7] or "") then
    return "changed"
  elseif state == "completed" or state == "archived" then
    return "ended"
  elseif state == "active" then
    redis.call("HSET", task, "ob_cancel", "1")
    tell(id, f[4], f[5])
    return "stopping"
  elseif not remove(id, task, state, f[2], lock_of(f[3], f[7])) then
    return "error it is in no list of its state " .. state
  end
  if f[6] then
    redis.call("PUBLISH", "onebeat:reply:" .. f[6], ARGV[1] .. "\0" .. id)
  end
  return "deleted"
end

local answers, seen = {}, chosen(ARGV[2])
for i = 3, #ARGV do
  answers[i - 2] = guarded(cancel, ARGV[i], seen[i - 2])
end
return answers
