-- info: one task as it stands (asynq: rdb.go GetTaskInfo).
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · scheduled, retry zset
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   id
-- ARGV[2] str   waiter         "" or a client id: told on onebeat:reply:<client> when the task ends
-- returns list                 empty: no such task; else msg · state · result or "" · next (ms) or "" ·
--                              pending_since (ns) or "" · crashes or "" · why it was set aside or "" ·
--                              how far it is, "<ms> <fraction> <text>", or "" · soft failures or ""

local task = KEYS[1] .. "t:" .. ARGV[1]
local f = redis.call("HMGET", task, "msg", "state", "result", "pending_since", "ob_crash", "ob_error", "ob_progress", "ob_soft")
if not f[1] then
  return {}
end
local due = ""
if f[2] == "scheduled" or f[2] == "retry" then
  local score = redis.call("ZSCORE", KEYS[1] .. f[2], ARGV[1])
  local exact = redis.call("ZSCORE", KEYS[2] .. "exact", ARGV[1])
  if score and exact and math.ceil(tonumber(exact) / 1000) == tonumber(score) then
    due = exact
  elseif score then
    due = int(tonumber(score) * 1000)
  end
elseif f[2] == "pending" then
  due = int(now_ms)
end
if ARGV[2] ~= "" and f[2] ~= "archived" and f[2] ~= "completed" then
  redis.call("HSET", task, "ob_wait", ARGV[2])
end
return { f[1], f[2], f[3] or "", due, f[4] or "", f[5] or "", f[6] or "", f[7] or "", f[8] or "" }
