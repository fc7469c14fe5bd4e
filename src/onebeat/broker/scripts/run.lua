-- run: make waiting, archived or completed tasks of one queue pending now (asynq: inspect.go runTaskCmd).
-- uses: clock, guard, protobuf, ungroup
--
-- KEYS[1] root  asynq:{q}:     pending, active list · scheduled, retry, archived, completed, lease,
--                              g:<group>, g:<group>:<set>, aggregation_sets zset · groups set · t:<id> hash
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms) · groups, joined, sets (lib/group.lua)
-- ARGV    str   ids
-- returns list of str          "pending" | "gone" | "already pending" | "already active" | "error <text>"
--
-- A task whose record says that it waits or runs, but that is in no list (its lists were lost), is put back.
-- Unlike asynq it sets pending_since (SE-40), clears the crash count (rule 10) and the expiry, takes the task out of its
-- group for good (SE-22), also out of a set that is being aggregated (SE-65), and gives an archived or completed task all its retries again: under asynq one that had used
-- them up would be archived again by its next failure.

local function is_listed(id, state)
  if state == "pending" then
    return redis.call("LPOS", KEYS[1] .. "pending", id)
  end
  return redis.call("LPOS", KEYS[1] .. "active", id) or redis.call("ZSCORE", KEYS[1] .. "lease", id)
end

local function run(id)
  local task = KEYS[1] .. "t:" .. id
  local f = redis.call("HMGET", task, "msg", "state", "group", "ob_error")
  if not f[1] then
    return "gone"
  end
  local is_in_list = f[2] == "pending" or f[2] == "active"
  if is_in_list and is_listed(id, f[2]) then
    return "already " .. f[2]
  end
  redis.call("LLEN", KEYS[1] .. "pending") -- a foreign type must fail before anything moves
  if f[2] == "aggregating" then
    quit(id, f[3])
  elseif not is_in_list then
    redis.call("ZREM", KEYS[1] .. f[2], id)
  end
  redis.call("ZREM", KEYS[2] .. "exact", id)
  redis.call("LPUSH", KEYS[1] .. "pending", id)
  redis.call("HDEL", task, "group", "ob_fails", "ob_crash", "ob_unknown", "ob_error", "ob_cancel", "ob_expires")
  if f[2] == "archived" or f[2] == "completed" then
    redis.call("HDEL", task, "ob_prev", "ob_done") -- a new life: whoever ended the last one has no say in it
    if not f[4] then -- else its bytes are no message, and kept as they came
      redis.call("HSET", task, "msg", f[1] .. RETRIED .. varint(0))
    end
  end
  redis.call("HSET", task, "state", "pending", "pending_since", int(now_us) .. "000")
  return "pending"
end

local answers = {}
for i, id in ipairs(ARGV) do
  answers[i] = guarded(run, id)
end
return answers
