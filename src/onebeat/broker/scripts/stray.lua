-- stray: of some records of one queue, name those that are not where their state says. It only reads.
-- uses: guard
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · lease, scheduled, retry, archived, completed, g:<group> zset
-- KEYS[2] root  onebeat:{q}:
-- ARGV    str   ids
-- returns list                 how many are named pending · their ids · then the ids of suspects
--
-- Whether a pending one is listed is for the caller, who reads the list once: to search it for each would take the
-- store too long. A member of an aggregation set is a suspect, which mend.lua clears.

local IN = { scheduled = true, retry = true, archived = true, completed = true }
local pending, strays = {}, {}

local function is_there(id)
  local task = KEYS[1] .. "t:" .. id
  local f = redis.call("HMGET", task, "state", "group")
  if redis.call("EXISTS", task) == 0 then
    return true
  elseif redis.call("HEXISTS", task, "msg") == 0 then
    return false
  elseif f[1] == "pending" then
    pending[#pending + 1] = id
    return true
  elseif f[1] == "active" then
    return redis.call("ZSCORE", KEYS[1] .. "lease", id)
  elseif f[1] == "aggregating" then
    return f[2] and redis.call("ZSCORE", KEYS[1] .. "g:" .. f[2], id)
  end
  return IN[f[1]] and redis.call("ZSCORE", KEYS[1] .. f[1], id)
end

for _, id in ipairs(ARGV) do
  local answer = guarded(is_there, id)
  if not answer then
    strays[#strays + 1] = id
  end
end
local found = { #pending, unpack(pending) }
for _, id in ipairs(strays) do
  found[#found + 1] = id
end
return found
