-- handoff: let a schedule leave this queue for another, without a tick lost or fired twice (rule 32).
-- uses: clock, contest
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due, stuck zset · d:<id>, seen:<id> hash
-- ARGV[1] str   id
-- ARGV[2] str   hash           the content hash that wants the schedule elsewhere
-- ARGV[3] str   to             the other queue
-- ARGV[4] int   live_ms        as in declare
-- returns list                 "keep" (a newer form is live here), or "move", boundary (ms), seen (msgpack map),
--                              since when it is paused (ms) or ""
--
-- Ticks up to the boundary, 5 s from now, are this queue's, all later ones the other's. A repeat gives
-- the same boundary, so the mover may die between any two of its steps and any other may go on.

local key = KEYS[2] .. "d:" .. ARGV[1]
if not seen(ARGV[1], ARGV[2], tonumber(ARGV[4])) then
  return { "keep" }
end
local d = redis.call("HMGET", key, "state", "until", "moved", "paused")
local boundary = d[3] == ARGV[3] and tonumber(d[2]) or now_ms + 5000
if d[1] then
  redis.call("HSET", key, "until", int(boundary), "moved", ARGV[3])
  redis.call("EXPIRE", key, 86400)
  local due = redis.call("ZSCORE", KEYS[2] .. "due", ARGV[1])
  if not due or tonumber(due) > boundary then
    redis.call("ZREM", KEYS[2] .. "due", ARGV[1])
    redis.call("HSET", key, "state", "done")
  end
  redis.call("ZREM", KEYS[2] .. "stuck", ARGV[1])
  redis.call("ZREM", KEYS[2] .. "declared", ARGV[1])
end
local forms, map = redis.call("HGETALL", KEYS[2] .. "seen:" .. ARGV[1]), {}
for i = 1, #forms, 2 do
  map[forms[i]] = forms[i + 1]
end
redis.call("EXPIRE", KEYS[2] .. "seen:" .. ARGV[1], 86400)
return { "move", int(boundary), cmsgpack.pack(map), d[4] or "" }
