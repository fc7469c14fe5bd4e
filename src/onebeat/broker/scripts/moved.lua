-- moved: delete a task whose copy is in another queue by now, if it still is what was copied.
-- uses: admit, clock, guard, protobuf, archive, unlock, lock, ungroup, remove, steer
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · pending list · scheduled, retry zset · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset
-- ARGV[1] str   id
-- ARGV[2] bytes old            the message that was copied
-- returns str                  "deleted" | "gone" | "changed" (its message, or its state: somebody runs it)

local f = record(ARGV[1])
if not f.msg then
  return "gone"
elseif f.msg ~= ARGV[2] or not (f.state == "pending" or f.state == "scheduled" or f.state == "retry") then
  return "changed"
end
redis.call("ZCARD", KEYS[2] .. "exact") -- a foreign type must fail before anything moves
leave(ARGV[1], f.state, f.group)
steer.delete(ARGV[1], KEYS[1] .. "t:" .. ARGV[1], f)
return "deleted"
