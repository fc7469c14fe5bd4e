-- place: write one new task: pending, scheduled, or in its group.
--
-- place(id, msg, due, rest) returns "pending" | "scheduled <ms>" | "aggregating" | "conflict" | "duplicate <holder>";
-- due and rest are as in enqueue. settle(queue) ends a script in which tasks were placed: it pushes those that are
-- pending, and tells upkeep when something is due earlier than before. Needs clock, group.
--
-- asynq: rdb.go Enqueue, EnqueueUnique, Schedule, ScheduleUnique, AddToGroup, AddToGroupUnique. The id is checked
-- before the lock is taken, so that a conflict leaves no lock behind (SE-06). A delayed task has its group in the
-- hash, so that it joins it when it is due, whoever forwards it, Go too (SE-02).

local head = redis.call("ZRANGE", KEYS[2] .. "exact", 0, 0, "WITHSCORES")[2]
local ready, earliest = {}, nil

local function due_ms(due)
  if due == "" then
    return now_ms
  end
  return tonumber(due) + (string.sub(due, 1, 1) == "+" and now_us / 1000 or 0)
end

-- The lock of a task that is unique for a time, and no longer or shorter, is in no record: nobody frees it.
local function lock(id, task, unique_key, lock_ms, till)
  if not redis.call("SET", unique_key, id, "NX", "PX", int(lock_ms)) then
    return redis.call("GET", unique_key) or ""
  elseif till ~= "ttl" then
    redis.call("HSET", task, "unique_key", unique_key)
  end
  if till == "start" then
    redis.call("HSET", task, "ob_start", unique_key)
  end
end

local NO_MORE = { "", 0, "", "", "", "", {} }

local function place(id, msg, due, rest)
  local task = KEYS[1] .. "t:" .. id
  local unique_key, lock_ms, till, timeout_ms, expires, group, past =
    unpack(rest == "" and NO_MORE or cmsgpack.unpack(rest))
  if redis.call("EXISTS", task) == 1 then
    return "conflict"
  end
  if group ~= "" then
    check_group(group)
  end
  local at = math.ceil(due_ms(due))
  local delay = math.max(0, at - now_ms)
  if unique_key ~= "" then
    local holder = lock(id, task, unique_key, tonumber(lock_ms) + delay, till)
    if holder then
      return "duplicate " .. holder
    end
  end
  if past and #past > 0 then -- a task that comes from another queue
    redis.call("HSET", task, unpack(past))
  end
  if timeout_ms ~= "" then
    redis.call("HSET", task, "ob_timeout_ms", timeout_ms)
  end
  if expires ~= "" then
    local from = string.sub(expires, 1, 1) == "+" and now_ms + delay or 0
    redis.call("HSET", task, "ob_expires", int(math.ceil(from + tonumber(expires))))
  end
  if delay == 0 and group ~= "" then
    redis.call("HSET", task, "msg", msg)
    join(id, task, group)
    return "aggregating"
  elseif delay == 0 then
    redis.call("HSET", task, "msg", msg, "state", "pending", "pending_since", int(now_us) .. "000")
    ready[#ready + 1] = id
    return "pending"
  end
  redis.call("HSET", task, "msg", msg, "state", "scheduled")
  if group ~= "" then
    announce(task, group)
  end
  redis.call("ZADD", KEYS[1] .. "scheduled", int(math.ceil(at / 1000)), id)
  redis.call("ZADD", KEYS[2] .. "exact", int(at), id)
  earliest = math.min(earliest or at, at)
  return "scheduled " .. int(at)
end

local function settle(queue)
  if #ready > 0 then
    redis.call("LPUSH", KEYS[1] .. "pending", unpack(ready))
  end
  local is_earlier = settle_groups()
  if is_earlier or (earliest and (not head or earliest < tonumber(head))) then
    redis.call("PUBLISH", "onebeat:wake", queue)
  end
end
