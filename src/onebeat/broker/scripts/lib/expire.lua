-- expire: delete completed tasks whose retention is over, at most 100 a call (asynq: janitor.go).
--
-- expire() returns how many it deleted. Needs clock.

local function expire()
  local completed = KEYS[1] .. "completed"
  local ids = redis.call("ZRANGEBYSCORE", completed, "-inf", now_s, "LIMIT", 0, 100)
  for _, id in ipairs(ids) do
    redis.call("ZREM", completed, id)
    redis.call("DEL", KEYS[1] .. "t:" .. id)
  end
  return #ids
end
