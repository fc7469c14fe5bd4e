-- archive: the end of a task that nobody may retry (asynq: rdb.go archiveCmd).
--
-- file_in_archive(id, task, fields…) sets the fields and the state, then adds the id; trim_archive()
-- drops what is older than 90 days or beyond 9,999, hashes included, at most 100 per call, so that
-- no burst can make one call long (SE-09, SE-10). Needs clock.

local function file_in_archive(id, task, ...)
  redis.call("HSET", task, "state", "archived", ...)
  redis.call("ZADD", KEYS[1] .. "archived", now_s, id)
end

local function drop_archived(ids)
  for _, id in ipairs(ids) do
    redis.call("ZREM", KEYS[1] .. "archived", id)
    redis.call("DEL", KEYS[1] .. "t:" .. id)
  end
end

local function trim_archive()
  local archived = KEYS[1] .. "archived"
  drop_archived(redis.call("ZRANGEBYSCORE", archived, "-inf", now_s - 7776000, "LIMIT", 0, 100))
  local surplus = redis.call("ZCARD", archived) - 9999
  if surplus > 0 then
    drop_archived(redis.call("ZRANGE", archived, 0, math.min(surplus, 100) - 1))
  end
end
