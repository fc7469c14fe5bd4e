-- session_see: say whether a session of a console is on, and note that it was seen.
-- uses: clock, sessions
--
-- KEYS[1] hash  onebeat:sessions:<user>
-- ARGV[1] str   id
-- ARGV[2] int   begun          ms
-- ARGV[3] int   until          ms: it ends then by itself
-- ARGV[4] str   way            how the user signed in, one word
-- ARGV[5] str   address        from where, as it was seen last
-- ARGV[6] int   touch_ms       it is noted again no earlier than this
-- ARGV[7] int   most           sessions of one user
-- ARGV[8] int   keep_ms        how long the key stands
-- returns list                 "new" · "on" · "ended"; before (ms)
--
-- A store that takes no writes is only read: the session is on, and in no list.

local known, before = unpack(redis.call("HMGET", KEYS[1], ARGV[1], "before"))
before = tonumber(before) or 0
local seen = known and parts(known)
if tonumber(ARGV[2]) <= before or seen == "-" then
  return { "ended", int(before) }
end
if seen and now_ms - (tonumber(seen) or 0) < tonumber(ARGV[6]) then
  return { "on", int(before) }
end
local line = table.concat({ int(now_ms), ARGV[2], ARGV[3], ARGV[4], ARGV[5] }, " ")
local wrote = redis.pcall("HSET", KEYS[1], ARGV[1], line)
if type(wrote) == "table" or known then
  return { "on", int(before) }
end
tidy(tonumber(ARGV[7]), tonumber(ARGV[8]))
return { "new", int(before) }
