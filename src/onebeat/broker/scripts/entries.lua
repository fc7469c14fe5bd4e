-- entries: the schedules of one queue, soonest first, as far as asynq's tools show them.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due zset · d:<id> hash · mirror string (whose turn it is to publish them)
-- ARGV[1] int   turn_ms        answer only if nobody was answered this recently; 0: always answer
-- ARGV[2] int   limit
-- returns list                 empty when it is somebody else's turn; else now (ms), then per schedule
--                              id · next (ms) · spec · msg · options (msgpack list of str) · prev (ms) or ""

if tonumber(ARGV[1]) > 0 and not redis.call("SET", KEYS[2] .. "mirror", 1, "NX", "PX", ARGV[1]) then
  return {}
end
local found = { int(now_ms) }
local due = redis.call("ZRANGE", KEYS[2] .. "due", 0, tonumber(ARGV[2]) - 1, "WITHSCORES")
for i = 1, #due, 2 do
  local d = redis.call("HMGET", KEYS[2] .. "d:" .. due[i], "spec", "msg", "options", "prev")
  if d[2] then
    for _, value in ipairs({ due[i], due[i + 1], d[1] or "", d[2], d[3] or "", d[4] or "" }) do
      found[#found + 1] = value
    end
  end
end
return found
