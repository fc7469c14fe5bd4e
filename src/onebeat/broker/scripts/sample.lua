-- sample: note how much work many queues hold, in the slot of this minute; repeated, it notes the latest.
-- uses: clock, guard
--
-- KEYS[1] root  asynq:{q}:     of the first queue; the keys of the others are made from their names
-- KEYS[2] root  onebeat:{q}:   size:<start> string of 60 minutes (u32 each): 1 + pending, active, retry, archived,
--                              processed and failed in all, which begin anew at 2^32; 0 of a minute that nobody noted
-- ARGV[1…] str                 names of queues
-- returns list                 now (s), then per queue a list of those six numbers, or "error <text>"
--
-- One store holds all queues here; a cluster needs one call per queue. A string ends three hours after its hour began.
-- Of a queue that holds nothing and never did anything nothing is written.

local HOUR, KEEP, MOST = 3600, 10800, 4294967295
local hour = now_s - now_s % HOUR
local first = math.floor((now_s - hour) / 60) * 6

local function total(text)
  return (tonumber(text or "0") or 0) % (MOST + 1)
end

local function look(queue)
  local asynq, key = "asynq:{" .. queue .. "}:", "onebeat:{" .. queue .. "}:size:" .. int(hour)
  local totals = redis.call("MGET", asynq .. "processed", asynq .. "failed")
  local numbers = {
    redis.call("LLEN", asynq .. "pending") + 1, redis.call("LLEN", asynq .. "active"),
    redis.call("ZCARD", asynq .. "retry"), redis.call("ZCARD", asynq .. "archived"), total(totals[1]), total(totals[2]),
  }
  local sum = 0
  for _, number in ipairs(numbers) do
    sum = sum + number
  end
  if sum == 1 and redis.call("EXISTS", key) == 0 then
    return numbers
  end
  if redis.call("SETRANGE", key, 60 * 6 * 4 - 1, "") == 0 then
    redis.call("SETRANGE", key, 60 * 6 * 4 - 1, "\0") -- at once, or the store keeps room for twice as much
    redis.call("EXPIRE", key, int(hour + KEEP - now_s))
  end
  local words = { "BITFIELD", key }
  for i, number in ipairs(numbers) do
    local n = #words
    words[n + 1], words[n + 2], words[n + 3], words[n + 4] = "SET", "u32", "#" .. (first + i - 1), int(number)
  end
  redis.call(unpack(words))
  return numbers
end

local answer = { int(now_s) }
for i = 1, #ARGV do
  answer[i + 1] = guarded(look, ARGV[i])
end
return answer
