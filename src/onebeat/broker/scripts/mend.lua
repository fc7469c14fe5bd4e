-- mend: look at what seems damaged in one queue, and if told to, make it right: each item whole, or not at all.
-- uses: clock, guard, protobuf, archive, unlock, lock, group, ungroup, restore, examine
--
-- KEYS[1] root  asynq:{q}:     all that is in it
-- KEYS[2] root  onebeat:{q}:   exact zset · groups zset, joined, sets hash (lib/group.lua) · limits hash
-- ARGV[1] str   verb           look: say what is wrong · mend: and make it right
-- ARGV[2…] per item            kind · name:
--                              task · its id (lib/examine.lua)
--                              group · its name: it has members and is not listed (SE-03), or is listed and has none
--                              set · its key: nobody would return its members, or nobody has since its deadline
--                              member · its id, a zero byte, its group: it is none, or of another
--                              lock · its key: no record has the id that it names
--                              score · "<suffix> <id>": a score that is no whole number, which older Go tools cannot read
-- returns list of str          per item "<problem> <deed>", "" if nothing is wrong with it (any more), "error <text>"
--
-- Damage is judged and mended in one step, so what another has put right meanwhile is left alone, and any number of
-- callers may mend the same. A task that was put back runs as one whose server died: at least once.
-- `look` writes nothing. `mend` may run while the store's memory is full, as it frees some (lib/admit.lua).

local does = ARGV[1] == "mend"
if does then
  redis.call("DEL", KEYS[2] .. "nil")
end
local GRACE_S, MEMBERS = 60, 100

-- Which group the members of a group or a set say they are of: the first that does; and whether none has a record.
local function group_told(key)
  local ids, is_empty = redis.call("ZRANGE", key, 0, MEMBERS - 1), true
  for _, id in ipairs(ids) do
    local f = redis.call("HMGET", KEYS[1] .. "t:" .. id, "group", "msg")
    if f[1] and f[2] then
      return f[1], false
    end
    is_empty = is_empty and not f[2]
  end
  return "", is_empty and #ids < MEMBERS
end

local function group(name)
  local key = KEYS[1] .. "g:" .. name
  local has_members = redis.call("ZCARD", key) > 0
  local is_listed = redis.call("SISMEMBER", KEYS[1] .. "groups", name) == 1
  if has_members == is_listed then
    return ""
  end
  local told, is_dead = group_told(key)
  if has_members and is_dead and not redis.call("ZSCORE", KEYS[1] .. "aggregation_sets", key) then
    if does then
      redis.call("DEL", key)
    end
    return "dangling dropped"
  elseif has_members and told ~= name then
    return "" -- an aggregation set
  elseif has_members then
    if does then
      redis.call("SADD", KEYS[1] .. "groups", name)
      look_by(name, now_ms)
    end
    return "unlisted-group listed"
  elseif does then
    unlist_if_empty(name)
  end
  return "empty-group unlisted"
end

local function set(key)
  local deadline = redis.call("ZSCORE", KEYS[1] .. "aggregation_sets", key)
  local held = redis.call("HGET", KEYS[2] .. "sets", key)
  if held and tonumber(string.match(held, "^%d+")) > now_ms - GRACE_S * 1000 then
    return ""
  elseif deadline and tonumber(deadline) > now_s - GRACE_S then
    return ""
  elseif not deadline and not held and group_told(key) ~= group_of(key) then
    return ""
  elseif does then
    restore(key)
  end
  return "stale-set returned"
end

local function member(name)
  local id, group = string.match(name, "^(.-)%z(.*)$")
  local f = redis.call("HMGET", KEYS[1] .. "t:" .. id, "msg", "state", "group")
  if redis.call("ZSCORE", KEYS[1] .. "g:" .. group, id) == false or (f[1] and f[2] == "aggregating" and f[3] == group) then
    return ""
  elseif does then
    redis.call("ZREM", KEYS[1] .. "g:" .. group, id)
    unlist_if_empty(group)
  end
  return f[1] and "misfiled " .. (f[2] or "nowhere") or "dangling dropped"
end

local function lock(key)
  if redis.call("TYPE", key).ok ~= "string" then
    return ""
  end
  local holder, left = redis.call("GET", key), redis.call("TTL", key)
  if redis.call("HEXISTS", KEYS[1] .. "t:" .. holder, "msg") == 1 then
    return ""
  elseif does then
    redis.call("DEL", key)
  end
  return (left == -1 and "endless-lock" or "stale-lock") .. " freed " .. left .. " " .. holder
end

local function score(name)
  local suffix, id = string.match(name, "^(%S+) (.*)$")
  local found = redis.call("ZSCORE", KEYS[1] .. suffix, id)
  if not found or tonumber(found) == math.floor(tonumber(found)) then
    return ""
  elseif does then
    redis.call("ZADD", KEYS[1] .. suffix, int(math.ceil(tonumber(found))), id)
  end
  return "fractional-score rounded"
end

local KINDS = {
  task = function(id)
    return examine(id, does)
  end,
  group = group,
  set = set,
  member = member,
  lock = lock,
  score = score,
}

for _, name in ipairs({ "pending", "active" }) do -- a foreign type must fail before anything moves
  redis.call("LLEN", KEYS[1] .. name)
end
for _, name in ipairs({ "scheduled", "retry", "archived", "completed", "lease", "aggregation_sets" }) do
  redis.call("ZCARD", KEYS[1] .. name)
end
redis.call("SCARD", KEYS[1] .. "groups")
redis.call("ZCARD", KEYS[2] .. "exact")
local answers = {}
for i = 2, #ARGV, 2 do
  answers[#answers + 1] = guarded(KINDS[ARGV[i]], ARGV[i + 1])
end
if settle_groups() then
  redis.call("PUBLISH", "onebeat:wake", string.match(KEYS[2], "{(.*)}"))
end
if does then
  trim_archive()
end
return answers
