-- examine: is a task where its record says, and only there? If not, what is wrong, and what makes it right.
--
-- examine(id, does) returns "<problem> <deed>", "" if all is well. With `does` the deed is done, all of it or nothing;
-- without it is only named. Problems:
--   dangling     an id in a list, and no message (SE-13). Deed: dropped, with what there is of a record
--   rest         a record without a message, in no list (SE-14). Deed: dropped
--   lost         a record in no list: nobody runs it, and its id stays taken (SE-10, SE-31). Deed: where it is then
--   misfiled     it stands elsewhere than its state says, or twice. Deed: where it is then
--   unleased     it runs without a lease: only Onebeat's upkeep would find it. Deed: leased
--   unlisted     it has a lease and is not in `active`: asynq cannot end it. Deed: active
-- The state is believed where a list bears it out; else the list is, as all scripts move tasks by their lists; and
-- where there is none, a task goes where its state says: pending and retry at once, active under the lease that its
-- server believes in, or under one that has lapsed, so that it is recovered, archived and completed only if the
-- archive or its retention would still keep it. One that is scheduled and whose time is lost is archived, as it must
-- not run early. Needs clock, protobuf, archive, unlock, lock, group, ungroup.

local WAITING = { "scheduled", "retry", "archived", "completed" }
local KNOWN = { pending = true, active = true, aggregating = true }
for _, name in ipairs(WAITING) do
  KNOWN[name] = true
end

local function is_staged(id)
  for _, list in ipairs({ redis.call("ZRANGE", KEYS[1] .. "aggregation_sets", 0, 999), redis.call("HKEYS", KEYS[2] .. "sets") }) do
    for _, set in ipairs(list) do
      if redis.call("ZSCORE", set, id) then
        return true
      end
    end
  end
  return false
end

-- Where an id stands: a list of names, and which; of pending also how often.
local function places_of(id, group)
  local found, is = {}, {}
  local function add(name)
    found[#found + 1], is[name] = name, true
  end
  for _, name in ipairs({ "pending", "active" }) do
    local times = #redis.call("LPOS", KEYS[1] .. name, id, "COUNT", 2)
    if times > 0 then
      add(name)
    end
    is.twice = is.twice or times > 1
  end
  for _, name in ipairs(WAITING) do
    if redis.call("ZSCORE", KEYS[1] .. name, id) then
      add(name)
    end
  end
  is.lease = redis.call("ZSCORE", KEYS[1] .. "lease", id)
  if group and can_join(group) and redis.call("ZSCORE", KEYS[1] .. "g:" .. group, id) then
    add("aggregating")
  elseif group and is_staged(id) then
    add("aggregating")
  end
  return found, is
end

-- Take an id out of all places but one.
local function strip(id, kept, group)
  for _, name in ipairs({ "pending", "active" }) do
    if name ~= kept then
      redis.call("LREM", KEYS[1] .. name, 0, id)
    end
  end
  for _, name in ipairs(WAITING) do
    if name ~= kept then
      redis.call("ZREM", KEYS[1] .. name, id)
    end
  end
  if kept ~= "active" then
    redis.call("ZREM", KEYS[1] .. "lease", id)
  end
  if kept ~= "scheduled" and kept ~= "retry" then
    redis.call("ZREM", KEYS[2] .. "exact", id)
  end
  if kept ~= "aggregating" and group then
    quit(id, group)
  end
end

-- A number field of a message; the last counts.
local function number_of(bytes, wanted)
  local at, found = 1, 0
  while at <= #bytes do
    local tag, value
    tag, at = varint_at(bytes, at)
    if not tag then
      return found
    end
    local wire = tag % 8
    if wire ~= 0 and wire ~= 2 and not FIXED[wire] then
      return found
    elseif FIXED[wire] then
      at = at + FIXED[wire]
    else
      value, at = varint_at(bytes, at)
      if not value then
        return found
      end
      found = wire == 0 and (tag - wire) / 8 == wanted and value or found
      at = wire == 2 and at + value or at
    end
  end
  return found
end

local function delete_record(id, task, f)
  release(lock_of(f.unique_key, f.msg), id)
  redis.call("DEL", task)
  return "deleted"
end

-- Whether the archive would keep a task that failed at a second.
local function has_room(at)
  local said = redis.call("HMGET", KEYS[2] .. "limits", "size", "age")
  local size, age = tonumber(said[1] or MAX_SIZE), tonumber(said[2] or MAX_AGE)
  return (size == 0 or redis.call("ZCARD", KEYS[1] .. "archived") < size) and (age == 0 or at > now_s - age)
end

local put = {}

function put.pending(id, task)
  redis.call("LPUSH", KEYS[1] .. "pending", id)
  redis.call("HSET", task, "state", "pending", "pending_since", int(now_us) .. "000")
  return "pending"
end

-- The lease that its owner believes it has, if that is not over: then it goes on, and nothing runs twice.
local function lease_of(task)
  local believed = tonumber(redis.call("HGET", task, "ob_lease") or "")
  return believed and believed > now_s and int(believed) or now_s
end

function put.active(id, task)
  redis.call("LPUSH", KEYS[1] .. "active", id)
  redis.call("ZADD", KEYS[1] .. "lease", lease_of(task), id)
  redis.call("HSET", task, "state", "active")
  return "active"
end

function put.retry(id, task)
  local exact = redis.call("ZSCORE", KEYS[2] .. "exact", id)
  redis.call("ZADD", KEYS[1] .. "retry", exact and int(math.ceil(tonumber(exact) / 1000)) or now_s, id)
  redis.call("HSET", task, "state", "retry")
  return "retry"
end

local LOST_TIME = "when it was to run is lost, as its queue was damaged; run it by hand, or delete it"

function put.scheduled(id, task, f)
  local exact = redis.call("ZSCORE", KEYS[2] .. "exact", id)
  if exact then
    redis.call("ZADD", KEYS[1] .. "scheduled", int(math.ceil(tonumber(exact) / 1000)), id)
    return "scheduled"
  end
  file_in_archive(id, task, "msg", f.msg .. text_field(ERROR_MSG, LOST_TIME) .. LAST_FAILED_AT .. varint(now_s))
  return "archived"
end

function put.archived(id, task, f)
  local at = number_of(f.msg, 11)
  at = at > 0 and at <= now_s and at or now_s
  if not has_room(at) then
    return delete_record(id, task, f)
  end
  redis.call("ZADD", KEYS[1] .. "archived", int(at), id)
  redis.call("HSET", task, "state", "archived")
  return "archived"
end

function put.completed(id, task, f)
  local keep_until = number_of(f.msg, 13) + number_of(f.msg, 12)
  if keep_until <= now_s then
    return delete_record(id, task, f)
  end
  redis.call("ZADD", KEYS[1] .. "completed", int(keep_until), id)
  return "completed"
end

function put.aggregating(id, task, f)
  if not f.group or not can_join(f.group) then
    redis.call("HDEL", task, "group")
    return put.pending(id, task)
  end
  join(id, task, f.group)
  return "aggregating"
end

-- What `put` would answer, with nothing done.
local function foreseen(id, f)
  local state = f.state
  if state == "archived" then
    local at = number_of(f.msg, 11)
    return has_room(at > 0 and at <= now_s and at or now_s) and "archived" or "deleted"
  elseif state == "completed" then
    return number_of(f.msg, 13) + number_of(f.msg, 12) > now_s and "completed" or "deleted"
  elseif state == "scheduled" then
    return redis.call("ZSCORE", KEYS[2] .. "exact", id) and "scheduled" or "archived"
  elseif state == "aggregating" then
    return f.group and can_join(f.group) and "aggregating" or "pending"
  end
  return KNOWN[state] and state or "archived"
end

local function put_back(id, task, f)
  local way = put[f.state]
  if way then
    return way(id, task, f)
  end
  local text = "its record had the state " .. (f.state ~= "" and f.state or "none") .. "; run it by hand, or delete it"
  file_in_archive(id, task, "msg", f.msg .. text_field(ERROR_MSG, text) .. LAST_FAILED_AT .. varint(now_s))
  return "archived"
end

local function dangling(id, task, found, is, does)
  if #found == 0 and not is.lease and redis.call("EXISTS", task) == 0 then
    return ""
  elseif does then
    strip(id, "")
    redis.call("DEL", task)
  end
  return (#found == 0 and not is.lease) and "rest dropped" or "dangling dropped"
end

-- It runs, by its record.
local function running(id, task, found, is, does)
  if is.active and not is.lease then
    if does then
      redis.call("ZADD", KEYS[1] .. "lease", lease_of(task), id)
    end
    return "unleased leased"
  elseif is.lease and not is.active then
    if does then
      redis.call("LPUSH", KEYS[1] .. "active", id)
    end
    return "unlisted active"
  end
end

-- It stands in lists, none of which is that of its state: the first that counts is believed.
local function believed(found)
  for _, name in ipairs({ "archived", "completed", "retry", "scheduled", "pending", "aggregating" }) do
    for _, place in ipairs(found) do
      if place == name then
        return name
      end
    end
  end
end

local function move_to(id, task, place, f)
  strip(id, place, f.group)
  redis.call("HSET", task, "state", place)
  if place == "pending" and redis.call("HEXISTS", task, "pending_since") == 0 then
    redis.call("HSET", task, "pending_since", int(now_us) .. "000")
  end
end

local function examine(id, does)
  local task = KEYS[1] .. "t:" .. id
  local v = redis.call("HMGET", task, "msg", "state", "group", "unique_key")
  local f = { msg = v[1], state = v[2] or "", group = v[3] and v[3] ~= "" and v[3] or nil, unique_key = v[4] }
  local found, is = places_of(id, f.group)
  if not f.msg then
    return dangling(id, task, found, is, does)
  end
  local is_home = is[f.state] and (f.state ~= "active" or is.lease)
  if is_home and #found == 1 and not is.twice and (f.state == "active" or not is.lease) then
    return ""
  elseif is_home then
    if does then
      strip(id, f.state, f.group)
      if is.twice then -- one of each stays: the first
        local list = KEYS[1] .. f.state
        redis.call("LREM", list, 0, id)
        redis.call(f.state == "pending" and "RPUSH" or "LPUSH", list, id)
      end
    end
    return "misfiled " .. f.state
  end
  local mended = f.state == "active" and running(id, task, found, is, does)
  if mended then
    return mended
  end
  local place = believed(found)
  if place then
    if does then
      move_to(id, task, place, f)
    end
    return "misfiled " .. place
  end
  local deed = foreseen(id, f)
  if does then
    local exact = redis.call("ZSCORE", KEYS[2] .. "exact", id)
    strip(id, f.state == "scheduled" and "scheduled" or "retry", f.group)
    deed = put_back(id, task, f)
    if deed ~= "scheduled" and deed ~= "retry" and exact then
      redis.call("ZREM", KEYS[2] .. "exact", id)
    end
  end
  return (#found == 0 and not is.lease and "lost " or "misfiled ") .. deed
end
