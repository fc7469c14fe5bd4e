-- extend: keep running tasks of one queue ours for another lease period, each only if it still is.
-- uses: admit, clock, fence, guard
--
-- KEYS[1] root  asynq:{q}:     pending, active list · lease zset · t:<id> hash
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   lease_ms
-- ARGV[2…] per task            id · token
-- returns list of str          "ok" | "cancel" (ours still, but it is to be stopped) | "lost" (somebody else's) |
--                              "gone" (no such task) | "error <text>"
--
-- asynq: rdb.go ExtendLease, which extends whatever it is given. Here a task that lapsed but was not
-- recovered is renewed, and one that another server took is reported, not stolen back (rule 2). One that was
-- recovered but still waits is taken back, and the crash that never was is forgiven: its owner only slept.

local asynq = KEYS[1]
local lease = asynq .. "lease"
local until_s = int(math.ceil((now_ms + tonumber(ARGV[1])) / 1000))

local function take_back(id, task, token, crashes)
  redis.call("LLEN", asynq .. "active") -- a foreign type must fail before anything moves
  redis.call("ZCARD", lease)
  if redis.call("LREM", asynq .. "pending", -1, id) == 0 then
    return false
  end
  redis.call("LPUSH", asynq .. "active", id)
  redis.call("ZADD", lease, until_s, id)
  redis.call("HSET", task, "state", "active", "ob_own", token, "ob_crash", math.max(0, tonumber(crashes or "0") - 1))
  redis.call("HDEL", task, "pending_since", "ob_prev")
  return true
end

local function extend(id, token)
  local task = asynq .. "t:" .. id
  local fields = redis.call("HMGET", task, "state", "ob_own", "ob_lease", "ob_cancel", "ob_prev", "ob_crash", "pending_since")
  if not fields[1] then
    return "gone"
  end
  local is_ours = fields[1] == "active" and holds(token, fields[2], fields[3], redis.call("ZSCORE", lease, id))
  local is_waiting = fields[1] == "pending" and waits_since(token, fields[5], fields[7])
  if not is_ours and not (is_waiting and take_back(id, task, token, fields[6])) then
    return "lost"
  end
  redis.call("ZADD", lease, "XX", until_s, id)
  redis.call("HSET", task, "ob_lease", until_s)
  return fields[4] and "cancel" or "ok"
end

local answers = {}
for i = 2, #ARGV, 2 do
  answers[#answers + 1] = guarded(extend, ARGV[i], ARGV[i + 1])
end
return answers
