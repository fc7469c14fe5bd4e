-- restore: return the members of an aggregation set to their group, at most 1,000 a call.
--
-- restore(key, reason, most, backoff_ms, frees) returns how many went back, and how many to the archive. With a
-- reason, text of an error, a failure is counted for each member (ob_fails): the group rests for backoff_ms, twice as
-- long after each further failure, and a member that has failed `most` times is archived with the reason; its lock is
-- freed if `frees`. Without a reason nothing is counted, as nothing failed.
-- asynq: rdb.go ReclaimStaleAggregationSets, which does not list the group again (SE-03) and has no bound (SE-44), and
-- whose aggregator repeats what fails without end (SE-21). Needs clock, protobuf, archive, unlock, lock, filed, group, ungroup.

local MAX_BACKOFF_MS = 600000

local function group_of(key)
  return string.match(string.sub(key, #KEYS[1] + 3), "^(.*):[^:]*$")
end

-- A set is gone: its group is looked at, and listed if a Go server has returned members without listing it (SE-03).
local function look_again(group)
  local _, _, _, hold = times_of(group)
  unlist_if_empty(group)
  if redis.call("EXISTS", KEYS[1] .. "g:" .. group) == 1 then
    redis.call("SADD", KEYS[1] .. "groups", group)
    look_by(group, math.max(now_ms, hold))
  end
end

-- Where a member goes: "back", "archived", or "gone" if there is no such task in a group; and its failures.
local function destiny(id, reason, most)
  local task = KEYS[1] .. "t:" .. id
  local f = redis.call("HMGET", task, "state", "ob_fails")
  if f[1] ~= "aggregating" or redis.call("HEXISTS", task, "msg") == 0 then
    return "gone", 0
  end
  local fails = tonumber(f[2] or "0") + (reason and 1 or 0)
  return reason and fails >= most and "archived" or "back", fails
end

local function give_up(id, reason, frees)
  local task = KEYS[1] .. "t:" .. id
  local f = redis.call("HMGET", task, "msg", "unique_key", "ob_wait")
  file_in_archive(id, task, "msg", f[1] .. text_field(ERROR_MSG, reason) .. LAST_FAILED_AT .. varint(now_s))
  redis.call("HDEL", task, "ob_fails")
  note_filed(id, f[1], reason)
  if frees then
    release(f[2], id)
  end
  if f[3] then
    redis.call("PUBLISH", "onebeat:reply:" .. f[3], string.match(KEYS[1], "{(.*)}") .. "\0" .. id)
  end
end

local function rejoin(group, back, worst, reason, backoff_ms)
  local members = KEYS[1] .. "g:" .. group
  redis.call("ZADD", members, unpack(back))
  redis.call("SADD", KEYS[1] .. "groups", group)
  local first, last, limit, hold = times_of(group)
  if reason then
    hold = math.max(hold, now_ms + math.min(backoff_ms * 2 ^ (worst - 1), MAX_BACKOFF_MS))
    redis.call("ZREM", KEYS[2] .. "groups", group)
  end
  note_times(group, first, last, limit, hold)
  look_by(group, math.max(now_ms, hold))
end

local function restore(key, reason, most, backoff_ms, frees)
  local group, back, archived, worst = group_of(key), {}, 0, 0
  check_group(group)
  redis.call("ZCARD", KEYS[1] .. "archived")
  local members = redis.call("ZRANGE", key, 0, 999, "WITHSCORES")
  for i = 1, #members, 2 do
    local id = members[i]
    local place, fails = destiny(id, reason, most)
    redis.call("ZREM", key, id)
    if place == "archived" then
      give_up(id, reason, frees)
      archived = archived + 1
    elseif place == "back" then
      back[#back + 1], back[#back + 2] = members[i + 1], id
      worst = math.max(worst, fails)
      if reason then
        redis.call("HSET", KEYS[1] .. "t:" .. id, "ob_fails", fails)
      end
    end
  end
  if #back > 0 then
    rejoin(group, back, worst, reason, backoff_ms)
  end
  if archived > 0 then
    trim_archive()
  end
  if redis.call("EXISTS", key) == 0 then
    forget_set(key)
    look_again(group)
  end
  return #back / 2, archived
end
