-- session_end: end one session of a user of a console, or all that there are by now.
-- uses: clock, sessions
--
-- KEYS[1] hash  onebeat:sessions:<user>
-- ARGV[1] str   id             which; "": all
-- ARGV[2] int   begun          ms, of one that need not be in the list; 0: it has to be
-- ARGV[3] int   until          ms, likewise
-- ARGV[4] int   most           sessions of one user
-- ARGV[5] int   keep_ms        how long the key stands: longer than any session
-- returns int                  how many of those in the list were ended
--
-- All are ended by an instant: no later than now, or than the last of them began, where its process's clock is ahead.

if ARGV[1] ~= "" then
  local known = redis.call("HGET", KEYS[1], ARGV[1])
  local seen, begun, untl = parts(known or "")
  if not seen and ARGV[2] ~= "0" then
    begun, untl = tonumber(ARGV[2]), tonumber(ARGV[3])
  elseif not seen or seen == "-" then
    return 0
  end
  redis.call("HDEL", KEYS[1], ARGV[1]) -- a first write that does not grow is let through by a full store, and all behind
  redis.call("HSET", KEYS[1], ARGV[1], table.concat({ "-", int(begun), int(untl) }, " "))
  tidy(tonumber(ARGV[4]), tonumber(ARGV[5]))
  return seen and 1 or 0
end

local all, count, latest = redis.call("HGETALL", KEYS[1]), 0, now_ms
for i = 1, #all, 2 do
  if all[i] == "before" then
    latest = math.max(latest, tonumber(all[i + 1]) or 0)
  else
    local seen, begun, untl = parts(all[i + 1])
    latest = math.max(latest, begun)
    count = count + ((seen ~= "-" and untl >= now_ms) and 1 or 0)
  end
end
redis.call("DEL", KEYS[1])
redis.call("HSET", KEYS[1], "before", int(latest))
keep(tonumber(ARGV[5]))
return count
