-- group: tasks join groups, in which they wait to be aggregated (asynq: rdb.go AddToGroup).
--
-- asynq:{q}:groups set          the groups that have members
-- asynq:{q}:g:<group> zset      id → the second it joined
-- asynq:{q}:g:<group>:<id> zset a set: members that some server is aggregating, with their scores
-- asynq:{q}:aggregation_sets zset   key of a set → second from which anybody may return it to its group
-- onebeat:{q}:groups zset       group → when to look at it (ms); inf: who looked has no aggregator for it
-- onebeat:{q}:joined hash       group → "<first> <last> <limit> <hold>": when its oldest and its newest member joined
--                               (ms), the size at which it is full or 0, and until when it rests after a failure (ms)
-- onebeat:{q}:sets hash         key of a set of ours → "<lease> <server>": ms until which it is that server's
--
-- announce(task, group) has a delayed task join its group when it is due, also where only Go servers forward: they
-- honour the hash, and do not list the group (SE-02, SE-03), so that it is listed beforehand, for as long as nobody
-- finds it empty. check_group(group) fails, before anything is written, where a key holds a foreign type, and
-- can_join(group) says whether that of its members does not. join(id, task, group) puts a task there. settle_groups() ends a script in which tasks have joined: it lists their groups, and returns whether
-- one of them wants to be looked at earlier than before. Needs clock.

local joining, news = {}, false

local function check_group(group)
  redis.call("ZCARD", KEYS[1] .. "g:" .. group)
  redis.call("SCARD", KEYS[1] .. "groups")
end

local function can_join(group)
  local kind = redis.call("TYPE", KEYS[1] .. "g:" .. group).ok
  return kind == "none" or kind == "zset"
end

local function join(id, task, group)
  redis.call("ZADD", KEYS[1] .. "g:" .. group, now_s, id)
  redis.call("HSET", task, "state", "aggregating", "group", group)
  joining[group] = true
end

local function announce(task, group)
  redis.call("HSET", task, "group", group)
  redis.call("SADD", KEYS[1] .. "groups", group)
end

local function times_of(group)
  local text = redis.call("HGET", KEYS[2] .. "joined", group) or ""
  local first, last, limit, hold = string.match(text, "^(%d+) (%d+) (%d+) (%d+)$")
  return tonumber(first or "0"), tonumber(last or "0"), tonumber(limit or "0"), tonumber(hold or "0")
end

local function note_times(group, first, last, limit, hold)
  local text = int(first) .. " " .. int(last) .. " " .. int(limit) .. " " .. int(hold)
  redis.call("HSET", KEYS[2] .. "joined", group, text)
end

-- Have a group be looked at no later than at an instant.
local function look_by(group, at_ms)
  local planned = redis.call("ZSCORE", KEYS[2] .. "groups", group)
  if not planned or planned == "inf" or tonumber(planned) > at_ms then
    redis.call("ZADD", KEYS[2] .. "groups", int(at_ms), group)
    news = true
  end
end

local function settle_group(group)
  local first, last, limit, hold = times_of(group)
  local size = redis.call("ZCARD", KEYS[1] .. "g:" .. group)
  local is_new = redis.call("SADD", KEYS[1] .. "groups", group) == 1 or last == 0
  note_times(group, is_new and now_ms or first, now_ms, limit, hold)
  local is_full = limit > 0 and size >= limit
  if hold <= now_ms and (is_new or is_full or not redis.call("ZSCORE", KEYS[2] .. "groups", group)) then
    look_by(group, now_ms)
  end
end

local function settle_groups()
  for group in pairs(joining) do
    settle_group(group)
  end
  joining = {}
  return news
end
