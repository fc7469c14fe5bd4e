-- view_delete: delete a saved view, if it still is what somebody has looked at.
--
-- KEYS[1] hash  onebeat:views:{all}:…
-- ARGV[1] str   name
-- ARGV[2] str   stamp          that of what is to be deleted (view_save.lua); "": whatever it is
-- returns str   "deleted" · "none" · "changed"

local value = redis.call("HGET", KEYS[1], ARGV[1])
if not value then
  return "none"
end
if ARGV[2] ~= "" and string.sub(redis.sha1hex(ARGV[1] .. "\n" .. value), 1, 16) ~= ARGV[2] then
  return "changed"
end
redis.call("HDEL", KEYS[1], ARGV[1])
return "deleted"
