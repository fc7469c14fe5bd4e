-- carry: what must go along when a task is moved to another queue, beside its message.
-- uses: clock, unlock, lock
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · unique:… string
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   id
-- returns list                 empty: no such task; else ob_timeout_ms or "" · ob_expires (ms) or "" ·
--                              its unique key or "" · how long it still holds that lock (ms; "" it does not; "-1"
--                              without end) · 1 if the lock ends with the start, else "" · then name and value of
--                              each field that tells of its past: its attempts, crashes, soft failures, progress

local f = redis.call("HMGET", KEYS[1] .. "t:" .. ARGV[1], "msg", "ob_timeout_ms", "ob_expires", "unique_key", "ob_start")
if not f[1] then
  return {}
end
local lock = lock_of(f[4], f[1]) or ""
local left = lock ~= "" and redis.call("GET", lock) == ARGV[1] and int(redis.call("PTTL", lock)) or ""
local found = { f[2] or "", f[3] or "", lock, left, f[5] and "1" or "" }
local PAST = { "ob_attempts", "ob_crash", "ob_soft", "ob_progress" }
for i, value in ipairs(redis.call("HMGET", KEYS[1] .. "t:" .. ARGV[1], unpack(PAST))) do
  if value then
    found[#found + 1], found[#found + 2] = PAST[i], value
  end
end
return found
