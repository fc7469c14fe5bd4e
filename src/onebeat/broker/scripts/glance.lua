-- glance: walk over some entries of one list, set or group of a queue, and name those that look damaged. It only reads.
-- uses: guard
--
-- KEYS[1] root  asynq:{q}:     the place · t:<id> hash · lease zset · active list · groups set · g:<group> zset
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   place          pending | active | lease | scheduled | retry | archived | completed | groups |
--                              aggregation_sets
-- ARGV[2] str   from           entries before, or for `groups` a cursor
-- ARGV[3] int   limit
-- returns list                 entries looked at · the next cursor ("0" at the end, of groups alone), else "" · then kind
--                              and name of each suspect, as mend.lua takes them
--
-- A suspect is looked at whole by mend.lua; here it costs one look at its record.

local place, from, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = { 0, "" }
local MEMBERS, LONG = 20, 2000

local function suspect(kind, name)
  found[#found + 1], found[#found + 2] = kind, name
end

local function look(id)
  local f = redis.call("HMGET", KEYS[1] .. "t:" .. id, "state")
  local has_message = redis.call("HEXISTS", KEYS[1] .. "t:" .. id, "msg") == 1
  local expected = place == "lease" and "active" or place
  if not has_message or f[1] ~= expected then
    return suspect("task", id)
  elseif place == "active" and not redis.call("ZSCORE", KEYS[1] .. "lease", id) then
    suspect("task", id)
  elseif place == "lease" and redis.call("LLEN", KEYS[1] .. "active") <= LONG then
    if not redis.call("LPOS", KEYS[1] .. "active", id, "RANK", -1) then
      suspect("task", id)
    end
  end
end

local function of_list(ids)
  local met = {}
  found[1] = #ids
  for _, id in ipairs(ids) do
    if met[id] then
      suspect("task", id)
    else
      guarded(look, id)
    end
    met[id] = true
  end
end

local function of_zset(page)
  found[1] = #page / 2
  for i = 1, #page, 2 do
    guarded(look, page[i])
    local score = tonumber(page[i + 1])
    if score and score ~= math.floor(score) then
      suspect("score", place .. " " .. page[i])
    end
  end
end

local function of_group(name)
  local members = redis.call("ZRANGE", KEYS[1] .. "g:" .. name, 0, MEMBERS - 1)
  if #members == 0 then
    suspect("group", name)
  end
  for _, id in ipairs(members) do
    local f = redis.call("HMGET", KEYS[1] .. "t:" .. id, "state", "group")
    if f[1] ~= "aggregating" or f[2] ~= name or redis.call("HEXISTS", KEYS[1] .. "t:" .. id, "msg") == 0 then
      suspect("member", id .. "\0" .. name)
    end
  end
end

if place == "pending" or place == "active" then
  of_list(redis.call("LRANGE", KEYS[1] .. place, from, from + limit - 1))
elseif place == "groups" then
  local page = redis.call("SSCAN", KEYS[1] .. "groups", from, "COUNT", limit)
  found[1], found[2] = #page[2], page[1]
  for _, name in ipairs(page[2]) do
    guarded(of_group, name)
  end
elseif place == "aggregation_sets" then
  local keys = redis.call("ZRANGE", KEYS[1] .. place, from, from + limit - 1)
  found[1] = #keys
  for _, key in ipairs(keys) do
    suspect("set", key)
  end
else
  of_zset(redis.call("ZRANGE", KEYS[1] .. place, from, from + limit - 1, "WITHSCORES"))
end
return found
