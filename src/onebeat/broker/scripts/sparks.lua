-- sparks: what many queues did, or held, in the last hour, minute by minute. It only reads.
-- uses: clock, guard
--
-- KEYS[1] root  asynq:{q}:     of the first queue
-- KEYS[2] root  onebeat:{q}:   rate:… string (record.lua), size:… string (sample.lua); the keys of the other queues are
--                              made from their names
-- ARGV[1] int   minutes        at most 60
-- ARGV[2] str   what           rate | size
-- ARGV[3…] str                 names of queues
-- returns list of bytes        now (s), then per queue its last minutes, of `rate` processed and failed (u32) of each,
--                              of `size` the six numbers of sample.lua; or "" where nothing was written
--
-- One store holds all queues here; a cluster needs one call per queue.

local minutes, what, hour = tonumber(ARGV[1]), ARGV[2], now_s - now_s % 3600
local upto, each = math.floor((now_s - hour) / 60) + 1, what == "rate" and 8 or 24
local nothing = string.rep("\0", 60 * each)

-- The bytes of an hour, whatever its key holds.
local function whole(found)
  if found and #found == #nothing then
    return found
  end
  return string.sub((found or "") .. nothing, 1, 60 * each)
end

local function one(queue)
  local key = "onebeat:{" .. queue .. "}:" .. what .. ":"
  local strings = redis.call("MGET", key .. int(hour - 3600), key .. int(hour))
  if not (strings[1] or strings[2]) then
    return ""
  end
  local both = whole(strings[1]) .. whole(strings[2])
  return string.sub(both, each * (60 + upto - minutes) + 1, each * (60 + upto))
end

local answer = { int(now_s) }
for i = 3, #ARGV do
  local found = guarded(one, ARGV[i])
  answer[i - 1] = string.sub(found, 1, 6) ~= "error " and found or ""
end
return answer
