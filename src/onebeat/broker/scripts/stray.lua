-- stray: of some records, name those that are not where their state says. It only reads.
-- uses: guard
--
-- KEYS[1] root  asynq:{q}:     of the first queue; the keys of the others are made from their names
-- KEYS[2] root  onebeat:{q}:
-- ARGV    str   per record     its queue · its id
-- returns list of int          per record: 0 it is where it says, or gone · 1 it is a suspect, to be looked at whole by
--                              mend.lua · 2 it is pending, in a list too long to be searched for each
--
-- One store holds all queues here; a cluster needs one `stray` per queue. A member of an aggregation set is a suspect,
-- which mend.lua clears.

local FINE, SUSPECT, LONG_LIST = 0, 1, 2
local SHORT = 200
local IN = { scheduled = true, retry = true, archived = true, completed = true }
local short = {}

local function is_short(pending)
  if short[pending] == nil then
    short[pending] = redis.call("LLEN", pending) <= SHORT
  end
  return short[pending]
end

local function verdict(found)
  return found and FINE or SUSPECT
end

local function look(root, id)
  local task = root .. "t:" .. id
  local f = redis.call("HMGET", task, "state", "group")
  if redis.call("HSTRLEN", task, "msg") == 0 then
    return verdict(redis.call("EXISTS", task) == 0)
  elseif f[1] == "pending" then
    local pending = root .. "pending"
    return is_short(pending) and verdict(redis.call("LPOS", pending, id)) or LONG_LIST
  elseif f[1] == "active" then
    return verdict(redis.call("ZSCORE", root .. "lease", id))
  elseif f[1] == "aggregating" then
    return verdict(f[2] and redis.call("ZSCORE", root .. "g:" .. f[2], id))
  end
  return verdict(IN[f[1]] and redis.call("ZSCORE", root .. f[1], id))
end

local found = {}
for i = 1, #ARGV, 2 do
  local answer = guarded(look, "asynq:{" .. ARGV[i] .. "}:", ARGV[i + 1])
  found[#found + 1] = type(answer) == "number" and answer or FINE
end
return found
