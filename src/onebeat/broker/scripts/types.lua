-- types: of which type some keys are. It only reads.
--
-- KEYS[1] root  asynq:{q}:     keys that begin so
-- KEYS[2] root  onebeat:{q}:   and so
-- ARGV[1…] str  keys
-- returns list of str          "none" where there is no such key

local found = {}
for i, key in ipairs(ARGV) do
  found[i] = redis.call("TYPE", key).ok
end
return found
