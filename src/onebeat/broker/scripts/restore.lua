-- restore: return a set to its group, because aggregating it failed, or because its server stops.
-- uses: admit, clock, protobuf, archive, unlock, lock, filed, group, ungroup, restore
--
-- KEYS[1] root  asynq:{q}:     g:<group>, g:<group>:<set>, aggregation_sets, archived zset · groups set · t:<id> hash ·
--                              unique:… string
-- KEYS[2] root  onebeat:{q}:   groups, joined, sets (lib/group.lua)
-- ARGV[1] str   queue          published on onebeat:wake
-- ARGV[2] str   set            its key
-- ARGV[3] str   owner          the server whose set it is
-- ARGV[4] str   reason         why it failed; "": it did not
-- ARGV[5] int   most           failures after which a member is archived with the reason
-- ARGV[6] int   backoff_ms     how long the group rests after a first failure
-- ARGV[7] int   frees          1: the lock of what is archived is freed
-- returns list                 how many went back · how many to the archive · of each of these id, type, failures and
--                              reason, flat; nothing if the set is not that server's

local record = redis.call("HGET", KEYS[2] .. "sets", ARGV[2])
if not record or string.match(record, "^%d+ (.*)$") ~= ARGV[3] then
  return {}
end
local reason = ARGV[4] ~= "" and ARGV[4]
local back, archived = restore(ARGV[2], reason, tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == "1")
if settle_groups() then
  redis.call("PUBLISH", "onebeat:wake", ARGV[1])
end
return { back, archived, filed }
