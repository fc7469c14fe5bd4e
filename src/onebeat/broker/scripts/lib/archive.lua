-- archive: the end of a task that nobody may retry (asynq: rdb.go archiveCmd).
--
-- file_in_archive(id, task, fields…) sets the fields and the state, then adds the id; trim_archive()
-- drops what is older or more than the archive keeps, hashes included, at most 100 per call, so that no burst can
-- make one call long (SE-09, SE-10), and returns how many. A lock that a record names goes with it: under asynq it
-- keeps others of its kind out until its time is over, and nobody can see why. Needs clock.
--
-- onebeat:{q}:limits hash    what it keeps, as the queue's servers say: size, age (s); 0: no limit. Without it, as
--                            asynq: 9,999 tasks, 90 days. keep_in_archive(size, age) says it.

local function file_in_archive(id, task, ...)
  redis.call("HSET", task, "state", "archived", ...)
  redis.call("ZADD", KEYS[1] .. "archived", now_s, id)
end

local function drop_archived(ids)
  for _, id in ipairs(ids) do
    local task = KEYS[1] .. "t:" .. id
    local lock = redis.pcall("HGET", task, "unique_key") -- a key of a foreign type is neither a record nor a lock
    if type(lock) == "string" and lock ~= "" and redis.pcall("GET", lock) == id then
      redis.call("DEL", lock)
    end
    redis.call("ZREM", KEYS[1] .. "archived", id)
    redis.call("DEL", task)
  end
end

local MAX_SIZE, MAX_AGE = "9999", "7776000"

local function keep_in_archive(size, age)
  local limits = KEYS[2] .. "limits"
  local said = redis.call("HMGET", limits, "size", "age")
  if size == MAX_SIZE and age == MAX_AGE then
    redis.call("DEL", limits)
  elseif said[1] ~= size or said[2] ~= age then
    redis.call("HSET", limits, "size", size, "age", age)
  end
end

local function trim_archive()
  local archived, dropped = KEYS[1] .. "archived", 0
  local said = redis.call("HMGET", KEYS[2] .. "limits", "size", "age")
  local size, age = tonumber(said[1] or MAX_SIZE), tonumber(said[2] or MAX_AGE)
  if age > 0 then
    local old = redis.call("ZRANGEBYSCORE", archived, "-inf", now_s - age, "LIMIT", 0, 100)
    drop_archived(old)
    dropped = #old
  end
  local surplus = size > 0 and redis.call("ZCARD", archived) - size or 0
  if surplus > 0 and dropped < 100 then
    local oldest = redis.call("ZRANGE", archived, 0, math.min(surplus, 100 - dropped) - 1)
    drop_archived(oldest)
    dropped = dropped + #oldest
  end
  return dropped
end
