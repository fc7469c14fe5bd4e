-- bulk: run, archive or delete the first tasks of one state, some of them: a step of many (SE-44).
-- uses: admit, clock, guard, protobuf, archive, unlock, lock, ungroup, remove, steer, front
--
-- KEYS[1] root  asynq:{q}:     pending list · scheduled, retry, archived, completed, g:<group> zset · groups set ·
--                              t:<id> hash · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   action         run | archive | delete
-- ARGV[2] str   state
-- ARGV[3] str   group          of aggregating tasks, else ""
-- ARGV[4] int   skip           entries at the front that an earlier step could not move
-- ARGV[5] int   limit          entries to look at
-- ARGV[6] int   max_bytes      stop once their records weigh this much (one is always looked at)
-- returns list                 entries there were · looked at · moved · left where they are · why the first was left
--
-- The oldest come first. An entry without a record, or whose task is by its record elsewhere, is dropped and counts
-- as looked at. Between two steps tasks come and go as they like.

local action, state, group = ARGV[1], ARGV[2], ARGV[3]
local skip, limit, max_bytes = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local suffix = state == "aggregating" and "g:" .. group or state
local source = KEYS[1] .. suffix
local is_list = state == "pending"

-- Whether a task whose record names another state really is there: then its entry here is an old one.
local function is_elsewhere(id, f)
  if f.state == state or f.state == "" then
    return false
  elseif f.state == "pending" then
    return redis.call("LPOS", KEYS[1] .. "pending", id)
  end
  local places = { active = "lease", aggregating = "g:" .. f.group }
  return redis.call("ZSCORE", KEYS[1] .. (places[f.state] or f.state), id)
end

local function weight_of(id, f)
  local result = state == "completed" and redis.call("HSTRLEN", KEYS[1] .. "t:" .. id, "result") or 0
  return #(f.msg or "") + result
end

local function move(id, f)
  local answer = "dropped"
  if not f.msg then
    redis.call("DEL", KEYS[1] .. "t:" .. id)
  elseif not is_elsewhere(id, f) then
    f.state = state
    steer[action](id, KEYS[1] .. "t:" .. id, f)
    answer = "moved"
  end
  if not is_list then
    leave(id, state, group)
  end
  return answer
end

-- Take what was looked at out of the list, but for what was left, which goes back where it stood.
local function cut(looked, left)
  local kept = skip > 0 and redis.call("LRANGE", source, -skip, -1) or {}
  redis.call("LTRIM", source, 0, -skip - looked - 1)
  for i = #left, 1, -1 do
    redis.call("RPUSH", source, left[i])
  end
  for _, id in ipairs(kept) do
    redis.call("RPUSH", source, id)
  end
end

redis.call("LLEN", KEYS[1] .. "pending") -- a foreign type must fail before anything moves
redis.call("ZCARD", KEYS[1] .. "archived")
redis.call("ZCARD", KEYS[2] .. "exact")
local there = redis.call(is_list and "LLEN" or "ZCARD", source)
local looked, moved, left, weight, why = 0, 0, {}, 0, ""
for _, id in ipairs(front(suffix, skip, limit)) do
  local f = guarded(record, id)
  local answer = f
  if type(f) == "table" then
    weight = weight + weight_of(id, f)
    if looked > 0 and weight > max_bytes then
      break
    end
    answer = guarded(move, id, f)
  end
  looked = looked + 1
  if answer == "moved" then
    moved = moved + 1
  elseif answer ~= "dropped" then
    left[#left + 1] = id
    why = why ~= "" and why or answer
  end
end
if is_list and looked > 0 then
  cut(looked, left)
end
if action == "archive" and moved > 0 then
  trim_for(moved)
end
return { there, looked, moved, #left, why }
