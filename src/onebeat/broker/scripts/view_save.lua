-- view_save: save a view, and in the same step take away the one that it was before.
-- uses: clock
--
-- KEYS[1] hash  onebeat:views:{all}:…   where it belongs: to a user, or to all
-- KEYS[2] hash  onebeat:views:{all}:…   where it was; not given: in the same
-- ARGV[1] str   name
-- ARGV[2] str   by             who saves it
-- ARGV[3] str   query
-- ARGV[4] str   over           the stamp of the view of that name which it replaces; "": of none; "*": of any
-- ARGV[5] str   was            its name before; "": it is new
-- ARGV[6] str   stamp          that of what it was
-- ARGV[7] int   most           views that a key holds
-- ARGV[8] int   keep_ms        how long the key stands; 0: for ever
-- returns list  "saved", value · "taken", value of the view that has its name · "changed", what it was · "full", ""
--
-- A value is "<saved, ms>\n<by>\n<query>"; its stamp, the beginning of the digest of "<name>\n<value>".

local name, over, was = ARGV[1], ARGV[4], ARGV[5]
local from = KEYS[2] or KEYS[1]

local function stamp(of, value)
  return value and string.sub(redis.sha1hex(of .. "\n" .. value), 1, 16) or ""
end

local there = redis.call("HGET", KEYS[1], name)
local before = was ~= "" and redis.call("HGET", from, was)
local stays = KEYS[1] == from and was == name
if was ~= "" and stamp(was, before) ~= ARGV[6] then
  return { "changed", before or "" }
end
if not stays and over ~= "*" and stamp(name, there) ~= over then
  return { "taken", there or "" }
end
local grows = not there and not (before and KEYS[1] == from)
if grows and redis.call("HLEN", KEYS[1]) >= tonumber(ARGV[7]) then
  return { "full", "" }
end
local value = int(now_ms) .. "\n" .. ARGV[2] .. "\n" .. ARGV[3]
redis.call("HSET", KEYS[1], name, value)
if was ~= "" and not stays then
  redis.call("HDEL", from, was)
end
if ARGV[8] ~= "0" then
  redis.call("PEXPIRE", KEYS[1], ARGV[8])
end
return { "saved", value }
