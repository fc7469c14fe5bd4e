-- glance: walk over some entries of lists, sets and groups, and name those that look damaged. It only reads.
-- uses: guard
--
-- KEYS[1] root  asynq:{q}:     of the first queue; the keys of the others are made from their names
-- KEYS[2] root  onebeat:{q}:
-- ARGV    str   per stretch    queue · place (pending | active | lease | scheduled | retry | archived | completed |
--                              aggregation_sets | groups) · from: entries before, or for `groups` a cursor · limit
-- returns list                 per stretch a list: entries looked at · the next cursor ("0" at the end, of groups alone),
--                              else "" · then kind and name of each suspect, as mend.lua takes them
--
-- One store holds all queues here; a cluster needs one `glance` per queue. A suspect is looked at whole by mend.lua;
-- here it costs one look at its record.

local MEMBERS, LONG = 20, 300

local function suspect(found, kind, name)
  found[#found + 1], found[#found + 2] = kind, name
end

-- Whether a record is what a place wants, as far as one look tells.
local function is_fine(root, place, id)
  local task = root .. "t:" .. id
  local state = redis.call("HGET", task, "state")
  if redis.call("HSTRLEN", task, "msg") == 0 or state ~= (place == "lease" and "active" or place) then
    return false
  elseif place == "active" then
    return redis.call("ZSCORE", root .. "lease", id)
  elseif place == "lease" and redis.call("LLEN", root .. "active") <= LONG then
    return redis.call("LPOS", root .. "active", id, "RANK", -1)
  end
  return true
end

local function of_list(found, root, place, ids)
  local met = {}
  found[1] = #ids
  for _, id in ipairs(ids) do
    if met[id] or not guarded(is_fine, root, place, id) then
      suspect(found, "task", id)
    end
    met[id] = true
  end
end

local function of_zset(found, root, place, page)
  found[1] = #page / 2
  for i = 1, #page, 2 do
    if not guarded(is_fine, root, place, page[i]) then
      suspect(found, "task", page[i])
    end
    local score = tonumber(page[i + 1])
    if score and score ~= math.floor(score) then
      suspect(found, "score", place .. " " .. page[i])
    end
  end
end

local function of_group(found, root, name)
  local members = redis.call("ZRANGE", root .. "g:" .. name, 0, MEMBERS - 1)
  if #members == 0 then
    suspect(found, "group", name)
  end
  for _, id in ipairs(members) do
    local task = root .. "t:" .. id
    local f = redis.call("HMGET", task, "state", "group")
    if f[1] ~= "aggregating" or f[2] ~= name or redis.call("HSTRLEN", task, "msg") == 0 then
      suspect(found, "member", id .. "\0" .. name)
    end
  end
end

local function stretch(found, root, place, from, limit)
  if place == "groups" then
    local page = redis.call("SSCAN", root .. "groups", from, "COUNT", limit)
    found[1], found[2] = #page[2], page[1]
    for _, name in ipairs(page[2]) do
      guarded(of_group, found, root, name)
    end
  elseif place == "pending" or place == "active" then
    of_list(found, root, place, redis.call("LRANGE", root .. place, from, from + limit - 1))
  elseif place == "aggregation_sets" then
    local sets = redis.call("ZRANGE", root .. place, from, from + limit - 1)
    found[1] = #sets
    for _, key in ipairs(sets) do
      suspect(found, "set", key)
    end
  else
    of_zset(found, root, place, redis.call("ZRANGE", root .. place, from, from + limit - 1, "WITHSCORES"))
  end
end

local answers = {}
for i = 1, #ARGV, 4 do
  local found = { 0, "" }
  local answer = guarded(stretch, found, "asynq:{" .. ARGV[i] .. "}:", ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]))
  if type(answer) == "string" then -- a key of a foreign type, which `checkup` tells of
    found = { 0, "0" }
  end
  answers[#answers + 1] = found
end
return answers
