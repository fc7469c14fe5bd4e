-- purge: delete some tasks of one queue, wherever they wait: a step of its removal (SE-08, SE-44).
-- uses: admit, guard, unlock, lock
--
-- KEYS[1] root  asynq:{q}:     pending list · scheduled, retry, archived, completed, g:<group>, g:<group>:<set>,
--                              aggregation_sets zset · groups set · t:<id> hash · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset · out hash: combined tasks on their way to other queues
-- ARGV[1] int   limit          tasks
-- ARGV[2] int   max_bytes      stop once their messages weigh this much (one is always deleted)
-- returns list                 deleted · active tasks (then nothing was done)

local limit, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local deleted, weight = 0, 0

local function is_full()
  return deleted >= limit or (deleted > 0 and weight >= max_bytes)
end

local function delete(id)
  local task = KEYS[1] .. "t:" .. id
  local f = redis.call("HMGET", task, "msg", "unique_key")
  guarded(release, lock_of(f[2], f[1]), id)
  redis.call("ZREM", KEYS[2] .. "exact", id)
  redis.call("UNLINK", task)
  deleted, weight = deleted + 1, weight + #(f[1] or "")
end

local function drain_list(key)
  while not is_full() do
    local id = redis.call("LINDEX", key, -1)
    if not id then
      return
    end
    guarded(delete, id)
    redis.call("RPOP", key)
  end
end

local function drain_set(key)
  while not is_full() do
    local id = redis.call("ZRANGE", key, 0, 0)[1]
    if not id then
      return true
    end
    guarded(delete, id)
    redis.call("ZREM", key, id)
  end
  return redis.call("EXISTS", key) == 0
end

local function drain_outgoing()
  local key = KEYS[2] .. "out"
  while not is_full() do
    local id = redis.call("HRANDFIELD", key)
    if not id then
      return
    end
    deleted, weight = deleted + 1, weight + redis.call("HSTRLEN", key, id)
    redis.call("HDEL", key, id)
  end
end

local active = redis.call("LLEN", KEYS[1] .. "active")
if active > 0 then
  return { 0, active }
end
drain_list(KEYS[1] .. "pending")
drain_outgoing()
for _, suffix in ipairs({ "scheduled", "retry", "archived", "completed" }) do
  drain_set(KEYS[1] .. suffix)
end
local looked = 0
while not is_full() and looked < limit do
  local group = redis.call("SRANDMEMBER", KEYS[1] .. "groups")
  if not group then
    break
  end
  looked = looked + 1
  if drain_set(KEYS[1] .. "g:" .. group) then
    redis.call("SREM", KEYS[1] .. "groups", group)
  end
end
while not is_full() and looked < limit do
  local set = redis.call("ZRANGE", KEYS[1] .. "aggregation_sets", 0, 0)[1]
  if not set then
    break
  end
  looked = looked + 1
  if drain_set(set) then
    redis.call("ZREM", KEYS[1] .. "aggregation_sets", set)
  end
end
return { deleted, 0 }
