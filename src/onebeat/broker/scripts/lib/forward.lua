-- forward: move what is due from `scheduled` and `retry` to `pending`, at most 100 a call.
--
-- forward() returns how many it moved. Due by the exact time in onebeat:{q}:exact where that entry is
-- true (the task still waits with the score that belongs to it: rule 17), otherwise by the whole-second
-- score alone, which is how Go's tasks are known. Ours are scored upwards, so nothing runs early.
-- A scheduled task with a group joins it, and the group is listed (SE-03); so it is if a Go server has forwarded the
-- task, which shows when its exact time comes. One in `retry` had been run by itself, so that it has no group any more
-- (SE-22). One whose group's key holds a foreign type waits on, and is an error. asynq: rdb.go forward. Needs clock,
-- group.

local PUT_OFF_S = 60

local barred

local function put_off(id, group)
  redis.call("ZADD", KEYS[1] .. "scheduled", now_s + PUT_OFF_S, id)
  redis.call("ZADD", KEYS[2] .. "exact", int((now_s + PUT_OFF_S) * 1000), id)
  barred = "task " .. id .. " cannot join group " .. group .. ", whose key holds a foreign type"
end

local function forward_one(id, from)
  local task = KEYS[1] .. "t:" .. id
  local group = from == "scheduled" and redis.call("HGET", task, "group")
  if group and group ~= "" and not can_join(group) then
    put_off(id, group)
    return
  end
  redis.call("ZREM", KEYS[1] .. from, id)
  redis.call("ZREM", KEYS[2] .. "exact", id)
  if redis.call("HEXISTS", task, "msg") == 0 then
    redis.call("DEL", task)
  elseif group and group ~= "" then
    join(id, task, group)
  else
    redis.call("HDEL", task, "group")
    local since, prev = int(now_us) .. "000", redis.call("HGET", task, "ob_prev")
    redis.call("LPUSH", KEYS[1] .. "pending", id)
    redis.call("HSET", task, "state", "pending", "pending_since", since)
    if prev and string.sub(prev, -1) == "@" then
      redis.call("HSET", task, "ob_prev", prev .. since) -- it was recovered, and may still be its last holder's
    end
  end
end

-- Whether an entry of `exact` is true: its task waits, with the public score that belongs to it.
local function waits_exactly(id, due_ms)
  local state = redis.call("HGET", KEYS[1] .. "t:" .. id, "state")
  local public = (state == "scheduled" or state == "retry") and redis.call("ZSCORE", KEYS[1] .. state, id)
  return public and tonumber(public) == math.ceil(tonumber(due_ms) / 1000) and state
end

-- A Go server forwards a task to its group, and does not list the group.
local function relist(id)
  local f = redis.call("HMGET", KEYS[1] .. "t:" .. id, "state", "group")
  if f[1] == "aggregating" and f[2] and can_join(f[2]) and redis.call("ZSCORE", KEYS[1] .. "g:" .. f[2], id) then
    joining[f[2]] = true
  end
end

local function forward_exact()
  local exact, moved = KEYS[2] .. "exact", 0
  local due = redis.call("ZRANGEBYSCORE", exact, "-inf", int(now_ms), "WITHSCORES", "LIMIT", 0, 100)
  for i = 1, #due, 2 do
    local state = waits_exactly(due[i], due[i + 1])
    if state then
      forward_one(due[i], state)
      moved = moved + 1
    else
      redis.call("ZREM", exact, due[i])
      relist(due[i])
    end
  end
  return moved
end

local function forward()
  redis.call("LLEN", KEYS[1] .. "pending") -- a foreign type must fail before anything moves
  redis.call("SCARD", KEYS[1] .. "groups")
  local moved = forward_exact()
  for _, from in ipairs({ "scheduled", "retry" }) do
    for _, id in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1] .. from, "-inf", now_s, "LIMIT", 0, 100 - moved)) do
      forward_one(id, from)
      moved = moved + 1
    end
  end
  if barred then
    error(barred, 0)
  end
  return moved
end
