-- views: read the saved views of a user, and those that all share.
-- uses: readable
--
-- KEYS[1] hash  onebeat:views:{all}:shared
-- KEYS[2] hash  onebeat:views:{all}:of:<user>   not given: those of nobody
-- ARGV[1] int   keep_ms        how long a user's views stand after the last look
-- ARGV[2] int   touch_ms       it is noted again no earlier than this
-- returns list  of each key name, value … (view_save.lua) · key and type of those that are foreign
--
-- A store that takes no writes is only read.

local answer = {}
for place, key in ipairs(KEYS) do
  answer[place] = read({}, "HGETALL", key)
end
if KEYS[2] and #answer[2] > 0 and redis.call("PTTL", KEYS[2]) < tonumber(ARGV[1]) - tonumber(ARGV[2]) then
  redis.pcall("PEXPIRE", KEYS[2], ARGV[1])
end
answer[#answer + 1] = foreign()
return answer
