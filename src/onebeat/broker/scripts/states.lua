-- states: in which state tasks are.
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1…] str  ids            at most 500
-- returns list of str          per id its state; "" where there is no such task

local found = {}
for i, id in ipairs(ARGV) do
  found[i] = redis.call("HGET", KEYS[1] .. "t:" .. id, "state") or ""
end
return found
