-- update: change a task that does not run: its message, when it is due, its own fields, its lock; or nothing at all.
-- uses: clock, protobuf, archive, unlock, lock, group, ungroup, remove, forward
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · pending list · scheduled, retry, g:<group> zset · groups set · unique:…
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   queue          published on onebeat:wake when its next due time moves up
-- ARGV[2] str   id
-- ARGV[3] bytes old            the message that the change was made of
-- ARGV[4] bytes new
-- ARGV[5] str   due            "" as it is, "+ms" from now, "ms" since 1970
-- ARGV[6] str   timeout_ms     "=" as it is, "" none of its own, else ms
-- ARGV[7] str   expires        "" as it is, "+ms" from when it is due, "ms" since 1970
-- ARGV[8] str   lock           unique key of the new message, if it is another, else ""
-- returns str                  "updated" | "gone" | "changed" (the message is another by now) | "<state>" (active,
--                              completed, or archived and to be due) | "duplicate <holder>" | "staged"
--
-- All is checked before anything is written. A lock goes along with its time to live (asynq leaves it on the old
-- payload: SE-12); one that lapsed is not taken again (SE-52). What is due now joins its group, or is pending.

local id, task = ARGV[2], KEYS[1] .. "t:" .. ARGV[2]
local f = redis.call("HMGET", task, "msg", "state", "unique_key", "ob_start", "group")
local state, old_lock, new_lock = f[2], lock_of(f[3], f[1]), ARGV[8]
if not f[1] then
  return "gone"
elseif state == "active" or state == "completed" or (state == "archived" and ARGV[5] ~= "") then
  return state
elseif f[1] ~= ARGV[3] then
  return "changed"
end

local function instant(text, from)
  return math.ceil(tonumber(text) + (string.sub(text, 1, 1) == "+" and from or 0))
end

local function due_of()
  local score = redis.call("ZSCORE", KEYS[1] .. state, id)
  local exact = redis.call("ZSCORE", KEYS[2] .. "exact", id)
  if score and exact and math.ceil(tonumber(exact) / 1000) == tonumber(score) then
    return tonumber(exact)
  end
  return score and tonumber(score) * 1000 or now_ms
end

local waits = state == "scheduled" or state == "retry"
local at = ARGV[5] ~= "" and instant(ARGV[5], now_us / 1000) or nil
local is_now = at and at <= now_ms
local moves = at and not (is_now and not waits)
if state == "aggregating" and moves and not redis.call("ZSCORE", KEYS[1] .. "g:" .. (f[5] or ""), id) then
  return "staged"
end
local head = redis.call("ZRANGE", KEYS[2] .. "exact", 0, 0, "WITHSCORES")[2]
redis.call("LLEN", KEYS[1] .. "pending") -- a foreign type must fail before anything is written
redis.call("ZCARD", KEYS[1] .. "scheduled")
redis.call("ZCARD", KEYS[1] .. "retry")
if moves and is_now and f[5] and f[5] ~= "" then
  check_group(f[5])
end
if new_lock ~= "" then
  if old_lock and redis.call("GET", old_lock) == id and redis.call("RENAMENX", old_lock, new_lock) == 0 then
    return "duplicate " .. (redis.call("GET", new_lock) or "")
  end
  if f[3] then
    redis.call("HSET", task, "unique_key", new_lock)
  end
  if f[4] then
    redis.call("HSET", task, "ob_start", new_lock)
  end
end
redis.call("HSET", task, "msg", ARGV[4])
if ARGV[6] == "" then
  redis.call("HDEL", task, "ob_timeout_ms")
elseif ARGV[6] ~= "=" then
  redis.call("HSET", task, "ob_timeout_ms", ARGV[6])
end
if ARGV[7] ~= "" then
  local from = math.max(now_ms, at or (waits and due_of() or now_ms))
  redis.call("HSET", task, "ob_expires", int(instant(ARGV[7], from)))
end
if moves and is_now then
  forward_one(id, state)
  settle_groups()
elseif moves then
  if not waits then
    leave(id, state, f[5])
    redis.call("HSET", task, "state", "scheduled")
    redis.call("HDEL", task, "pending_since", "ob_prev")
    state = "scheduled"
  end
  redis.call("ZADD", KEYS[1] .. state, int(math.ceil(at / 1000)), id)
  redis.call("ZADD", KEYS[2] .. "exact", int(at), id)
  if not head or at < tonumber(head) then
    redis.call("PUBLISH", "onebeat:wake", ARGV[1])
  end
end
if settle_groups() then
  redis.call("PUBLISH", "onebeat:wake", ARGV[1])
end
return "updated"
