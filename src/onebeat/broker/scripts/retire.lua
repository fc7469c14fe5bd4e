-- retire: say that a source has schedules no more that it had before.
-- uses: clock, drop
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due, stuck, declared zset · d:<id> hash · retired zset ("<id> <content hash>" → when, ms)
-- ARGV[1] str   app            schedules of other applications are left alone
-- ARGV[2…] per schedule        id · content hash
-- returns list of str          the ids of those that are over; one that is in force in another form is not
--
-- An instance whose answer from the source is older goes on declaring this form; for an hour it is not listened to.
-- One whose source has it anew takes it out of `retired` first.

local REMEMBERED_MS = 3600000

local over = {}
redis.call("ZREMRANGEBYSCORE", KEYS[2] .. "retired", "-inf", int(now_ms - REMEMBERED_MS))
for i = 2, #ARGV, 2 do
  local id, hash = ARGV[i], ARGV[i + 1]
  local d = redis.call("HMGET", KEYS[2] .. "d:" .. id, "app", "rev", "state")
  redis.call("ZADD", KEYS[2] .. "retired", int(now_ms), id .. " " .. hash)
  if d[1] == ARGV[1] and d[2] == hash and d[3] ~= "orphaned" then
    drop(id)
    over[#over + 1] = id
  end
end
return over
