-- drop: a schedule that a source of the user's had, and has no more.
--
-- drop(id) parks it, so that it does not fire, and has all that is kept of it vanish in a day; undrop(id) keeps it
-- after all, once it is declared again. Needs clock.

local DROPPED_S = 86400

local function companions(id)
  local history = "asynq:scheduler_history:" .. string.match(KEYS[2], "{.*}") .. ":" .. id
  return { KEYS[2] .. "seen:" .. id, KEYS[2] .. "tape:" .. id, history }
end

local function park(id)
  redis.call("HSET", KEYS[2] .. "d:" .. id, "state", "orphaned")
  redis.call("ZREM", KEYS[2] .. "due", id)
  redis.call("ZREM", KEYS[2] .. "stuck", id)
end

local function drop(id)
  park(id)
  redis.call("EXPIRE", KEYS[2] .. "d:" .. id, DROPPED_S)
  for _, companion in ipairs(companions(id)) do
    redis.call("EXPIRE", companion, DROPPED_S)
  end
  redis.call("ZREM", KEYS[2] .. "declared", id)
end

local function undrop(id)
  for _, companion in ipairs(companions(id)) do
    redis.call("PERSIST", companion)
  end
end
