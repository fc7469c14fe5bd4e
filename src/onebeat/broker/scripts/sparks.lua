-- sparks: what many queues processed in the last hours, minute by minute. It only reads.
-- uses: clock, guard
--
-- KEYS[1] root  asynq:{q}:     of the first queue
-- KEYS[2] root  onebeat:{q}:   rate:… string (record.lua); the keys of the other queues are made from their names
-- ARGV[1] int   minutes        at most 60
-- ARGV[2…] str                 names of queues
-- returns list of bytes        now (s), then per queue its last minutes, processed and failed (u32) of each, or "" where
--                              nothing was recorded
--
-- One store holds all queues here; a cluster needs one call per queue.

local minutes, hour = tonumber(ARGV[1]), now_s - now_s % 3600
local upto = math.floor((now_s - hour) / 60) + 1

-- The 480 bytes of an hour, whatever its key holds.
local function whole(found)
  return string.sub((found or "") .. string.rep("\0", 480), 1, 480)
end

local function one(queue)
  local rate = "onebeat:{" .. queue .. "}:rate:"
  local strings = redis.call("MGET", rate .. int(hour - 3600), rate .. int(hour))
  if not (strings[1] or strings[2]) then
    return ""
  end
  local both = whole(strings[1]) .. whole(strings[2])
  return string.sub(both, 8 * (60 + upto - minutes) + 1, 8 * (60 + upto))
end

local answer = { int(now_s) }
for i = 2, #ARGV do
  local found = guarded(one, ARGV[i])
  answer[i] = string.sub(found, 1, 6) ~= "error " and found or ""
end
return answer
