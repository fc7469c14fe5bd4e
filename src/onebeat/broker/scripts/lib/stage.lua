-- stage: find the groups that are due, and move their members into aggregation sets; return sets nobody aggregates.
--
-- keep_sets(a) extends those that a server has. aggregate(a) looks at up to 200 groups that are to be looked at, and stages at most about 1,000 members; reclaim(a)
-- returns at most 1,000 to their groups; lonely() names a group that waits in vain. `a` is who asks:
--   owner, lease_ms            a server, and for how long a set is its own without another call; owner "": none
--   at_once                    how many sets of this queue it may have
--   cursor                     where its scan of all groups goes on; "": no scan this time
--   rules                      of its aggregators, longest pattern first: start, grace, delay (ms), size; 0: no limit
--   most, backoff_ms, frees    see restore
-- A group is due when nobody has joined for `grace`, when its oldest member has waited for `delay`, or when it has
-- `size` members. Exact to the millisecond for what Onebeat put there; a member of Go's, or one that was left when a
-- group was cut, counts from the second it joined, as under asynq. Only groups that the server has an aggregator for
-- are staged; others it puts aside (inf), and servers that have one find them by their scan, as they find what Go
-- put into groups. A group or set whose key holds a foreign type is an error of its own (a.errors), and put aside.
-- asynq: rdb.go AggregationCheck, aggregator.go; SE-03, SE-42, SE-44.
-- Needs clock, guard, protobuf, archive, unlock, lock, filed, late, group, ungroup, restore.

local GROUPS, SCAN, MEMBERS, BYTES, DEADLINE_S = 200, 500, 1000, 4000000, 120

local function rule_of(a, group)
  for _, rule in ipairs(a.rules) do
    if string.sub(group, 1, #rule.start) == rule.start then
      return rule
    end
  end
end

-- Extend what the server has, and say which sets these are.
local function keep_sets(a)
  local held = redis.call("HGETALL", KEYS[2] .. "sets")
  for i = 1, #held, 2 do
    local key, owner = held[i], string.match(held[i + 1], "^%d+ (.*)$")
    if owner == a.owner and redis.call("EXISTS", key) == 0 then
      forget_set(key) -- a Go server has returned it
      look_again(group_of(key))
    elseif owner == a.owner then
      redis.call("HSET", KEYS[2] .. "sets", key, int(now_ms + a.lease_ms) .. " " .. a.owner)
      redis.call("ZADD", KEYS[1] .. "aggregation_sets", "XX", now_s + DEADLINE_S, key)
      a.sets[#a.sets + 1] = key
    end
  end
end

-- A set's id has the form of Go's, a random UUID.
local function new_set(a, group)
  local hex = redis.sha1hex(a.owner .. "\0" .. group .. "\0" .. int(now_us) .. "\0" .. #a.sets)
  local part = function(from, to)
    return string.sub(hex, from, to)
  end
  local id = part(1, 8) .. "-" .. part(9, 12) .. "-4" .. part(14, 16) .. "-a" .. part(18, 20) .. "-" .. part(21, 32)
  return KEYS[1] .. "g:" .. group .. ":" .. id
end

-- What becomes of a member as its group is staged: "staged", "expired", or "gone" if no task in a group has this id.
local function sort_out(id)
  local task = KEYS[1] .. "t:" .. id
  local f = redis.call("HMGET", task, "state", "ob_expires")
  local bytes = redis.call("HSTRLEN", task, "msg")
  if f[1] ~= "aggregating" or bytes == 0 then
    return "gone", 0
  end
  return f[2] and now_ms > tonumber(f[2]) and "expired" or "staged", bytes
end

local function stage(a, group, size)
  local members, staged, left, weight = KEYS[1] .. "g:" .. group, {}, {}, 0
  local page = redis.call("ZRANGE", members, 0, math.min(size > 0 and size or MEMBERS, MEMBERS) - 1, "WITHSCORES")
  for i = 1, #page, 2 do
    local place, bytes = sort_out(page[i])
    weight = weight + (place == "staged" and bytes or 0)
    if place == "staged" and #staged > 0 and weight > BYTES then
      break
    end
    left[#left + 1] = page[i]
    if place == "staged" then
      staged[#staged + 1], staged[#staged + 2] = page[i + 1], page[i]
    elseif place == "expired" then
      note_filed(page[i], archive_expired(page[i]), "expired")
      a.expired = a.expired + 1
    end
  end
  redis.call("ZREM", members, unpack(left))
  a.staged = a.staged + #left
  if #staged > 0 then
    local key = new_set(a, group)
    redis.call("ZADD", key, unpack(staged))
    redis.call("ZADD", KEYS[1] .. "aggregation_sets", now_s + DEADLINE_S, key)
    redis.call("HSET", KEYS[2] .. "sets", key, int(now_ms + a.lease_ms) .. " " .. a.owner)
    a.sets[#a.sets + 1] = key
  end
end

local function edge(members, rank)
  return tonumber(redis.call("ZRANGE", members, rank, rank, "WITHSCORES")[2])
end

-- When a group is due (ms); nil when it has no members.
local function due_of(group, rule)
  local members = KEYS[1] .. "g:" .. group
  local size = redis.call("ZCARD", members)
  if size == 0 then
    return nil
  end
  local first, last, _, hold = times_of(group)
  local oldest, newest = edge(members, 0), edge(members, -1)
  first = math.floor(first / 1000) == oldest and first or oldest * 1000
  last = math.floor(last / 1000) == newest and last or newest * 1000
  local due = last + rule.grace
  if rule.delay > 0 then
    due = math.min(due, first + rule.delay)
  end
  if rule.size > 0 and size >= rule.size then
    due = math.min(due, now_ms)
  end
  return math.max(due, hold)
end

local function look_at(a, group)
  local rule = rule_of(a, group)
  if redis.call("ZCARD", KEYS[1] .. "g:" .. group) == 0 then
    unlist_if_empty(group)
    return
  end
  redis.call("SADD", KEYS[1] .. "groups", group)
  if not rule then
    redis.call("ZADD", KEYS[2] .. "groups", "+inf", group)
    return
  end
  local first, last, _, hold = times_of(group)
  note_times(group, first, last, rule.size, hold)
  local due = due_of(group, rule)
  while due and due <= now_ms and #a.sets < a.at_once and a.staged < MEMBERS do
    stage(a, group, rule.size)
    due = due_of(group, rule)
  end
  if due then
    redis.call("ZADD", KEYS[2] .. "groups", int(math.max(due, 0)), group)
  else
    unlist_if_empty(group)
  end
end

local function note_error(a, what, answer)
  if type(answer) == "string" then
    a.errors[#a.errors + 1] = what .. ": " .. answer
    return true
  end
end

local function scan_one(a, group)
  local size = redis.call("ZCARD", KEYS[1] .. "g:" .. group)
  local _, _, limit, hold = times_of(group)
  local planned = redis.call("ZSCORE", KEYS[2] .. "groups", group)
  if size == 0 then
    unlist_if_empty(group)
  elseif rule_of(a, group) and (not planned or planned == "inf") then
    redis.call("ZADD", KEYS[2] .. "groups", int(now_ms), group)
  elseif rule_of(a, group) and limit > 0 and size >= limit and hold <= now_ms then
    look_by(group, now_ms)
  end
end

-- Find what was not put into groups by us, or was put aside by a server that has no aggregator for it.
local function scan(a)
  local found = redis.call("SSCAN", KEYS[1] .. "groups", a.cursor, "COUNT", SCAN)
  a.cursor = found[1]
  for _, group in ipairs(found[2]) do
    note_error(a, "group " .. group, guarded(scan_one, a, group))
  end
end

local function aggregate(a)
  if a.owner == "" then
    return
  end
  redis.call("ZCARD", KEYS[1] .. "aggregation_sets") -- a foreign type must fail before anything moves
  redis.call("ZCARD", KEYS[1] .. "archived")
  if a.cursor ~= "" then
    scan(a)
  end
  if #a.sets >= a.at_once then
    return
  end
  local page = redis.call("ZRANGEBYSCORE", KEYS[2] .. "groups", "-inf", int(now_ms), "LIMIT", 0, GROUPS)
  for _, group in ipairs(page) do
    if #a.sets < a.at_once and a.staged < MEMBERS then
      if note_error(a, "group " .. group, guarded(look_at, a, group)) then
        redis.call("ZADD", KEYS[2] .. "groups", "+inf", group)
      end
    end
  end
  a.is_full = #a.sets < a.at_once and (#page == GROUPS or a.staged >= MEMBERS)
  if a.expired > 0 then
    trim_archive()
  end
end

local LONELY_MS, GLANCE_MS, REMIND_MS = 60000, 10000, 600000

-- Nobody has looked at it for a minute, or who did put it aside, and its oldest member is older than that.
local function is_lonely(group)
  local oldest = edge(KEYS[1] .. "g:" .. group, 0)
  local planned = redis.call("ZSCORE", KEYS[2] .. "groups", group)
  return oldest and oldest * 1000 < now_ms - LONELY_MS
    and (not planned or planned == "inf" or tonumber(planned) < now_ms - LONELY_MS)
end

-- A few groups are glanced at every 10 s; after one was named, the next time is in 10 minutes.
local function lonely()
  local beat = KEYS[2] .. "beat"
  local f = redis.call("HMGET", beat, "hold_until", "lonely")
  if now_ms < tonumber(f[1] or "0") or now_ms < tonumber(f[2] or "0") then
    return ""
  end
  local found = ""
  for _, group in ipairs(redis.call("SRANDMEMBER", KEYS[1] .. "groups", 10)) do
    if guarded(is_lonely, group) == true then
      found = group
    end
  end
  redis.call("HSET", beat, "lonely", int(now_ms + (found ~= "" and REMIND_MS or GLANCE_MS)))
  return found
end

local function next_group(a)
  if a.owner == "" or #a.sets >= a.at_once then
    return math.huge
  end
  local head = redis.call("ZRANGE", KEYS[2] .. "groups", 0, 0, "WITHSCORES")
  return tonumber(head[2]) or math.huge
end

local function count_restored(a, key, reason)
  local back, archived
  local failed = guarded(function()
    back, archived = restore(key, reason, a.most, a.backoff_ms, a.frees)
  end)
  if note_error(a, "set " .. key, failed) then
    redis.call("ZADD", KEYS[1] .. "aggregation_sets", "XX", now_s + DEADLINE_S, key)
    return
  end
  a.restored = a.restored + back + archived
  a.reports[#a.reports + 1] = key
  a.reports[#a.reports + 1] = int(back) .. " " .. archived
end

-- Sets whose server is gone go back at once, those that are past their deadline, Go's that is, too. After an outage
-- their owners may speak first (rule 3), and see `recover`.
local function reclaim(a)
  if now_ms < tonumber(redis.call("HGET", KEYS[2] .. "beat", "hold_until") or "0") then
    return
  end
  local held = redis.call("HGETALL", KEYS[2] .. "sets")
  for i = 1, #held, 2 do
    if a.restored < MEMBERS and tonumber(string.match(held[i + 1], "^%d+")) < now_ms then
      count_restored(a, held[i], "the server that aggregated it is gone")
    end
  end
  for _, key in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1] .. "aggregation_sets", "-inf", now_s, "LIMIT", 0, 10)) do
    if a.restored < MEMBERS then
      count_restored(a, key)
    end
  end
  local known = redis.call("ZRANGE", KEYS[1] .. "aggregation_sets", 0, 99, "WITHSCORES")
  for i = 1, #known, 2 do -- a Go server returns a set without listing its group (SE-03): look at that then
    local group = group_of(known[i])
    if group and redis.call("HEXISTS", KEYS[2] .. "sets", known[i]) == 0 then
      redis.call("ZADD", KEYS[2] .. "groups", "NX", int((tonumber(known[i + 1]) + 1) * 1000), group)
    end
  end
end
