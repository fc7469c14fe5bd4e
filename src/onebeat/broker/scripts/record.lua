-- record: add what a server has done in the last seconds to the series of one queue, or of all.
-- uses: clock
--
-- KEYS[1] root                 the same as KEYS[2] where it is of all queues
-- KEYS[2] root  onebeat:{q}:   or onebeat:series:{all}:
--   rate:<start>               string of 60 minutes: processed, failed (u32); of the hour that starts then (s)
--   wait:<step>:<start>        string of slots of `step` seconds: how long tasks had waited, 24 buckets (u24)
--   run:<step>:<start>:<type>  the same: processed, failed, retried (u24), milliseconds spent (u32), 24 buckets (u24)
--   types                      zset: type → when it was last seen (s), a day and six hours
-- ARGV[1] int   most           types that have series of their own; what comes then counts as "(other)"
-- ARGV[2] bytes done           MessagePack: processed, failed, waits, then of each type its name, processed, failed,
--                              retried, milliseconds, runs; waits and runs are lists of bucket, number, …
-- returns str                  "ok"
--
-- Minutes are kept until two hours after their hour, ten minutes until a day after their six hours, the hours of `rate`
-- as long. Bucket 0 is below a millisecond, bucket n from 2^(n-1) ms on. Numbers stop at their greatest.

local BUCKETS, OTHER, DAY = 24, "(other)", 86400
local FINE = { step = 60, slots = 60, keep = 7200 }
local COARSE = { step = 600, slots = 36, keep = DAY }
local own = KEYS[2]
local most, done = tonumber(ARGV[1]), cmsgpack.unpack(ARGV[2])

-- Add to the slot of now, which has `bits`: `amounts` is a list of width, place in the slot (bit), amount, ….
local function add(tier, name, rest, bits, amounts)
  local span = tier.step * tier.slots
  local start = now_s - now_s % span
  local key = own .. name .. int(start) .. rest
  local first = math.floor((now_s - start) / tier.step) * bits
  local words = { "BITFIELD", key, "OVERFLOW", "SAT" }
  for i = 1, #amounts, 3 do
    if amounts[i + 2] > 0 then
      local n = #words
      words[n + 1], words[n + 2], words[n + 3], words[n + 4] = "INCRBY", amounts[i], first + amounts[i + 1], int(amounts[i + 2])
    end
  end
  if #words == 4 then
    return
  end
  if redis.call("EXISTS", key) == 0 then
    redis.call("SETRANGE", key, tier.slots * bits / 8 - 1, "\0") -- at once, or the store keeps room for twice as much
    redis.call("EXPIRE", key, int(start + span + tier.keep - now_s))
  end
  redis.call(unpack(words))
end

local function both(name, rest, bits, amounts)
  for _, tier in ipairs({ FINE, COARSE }) do
    add(tier, name .. ":" .. tier.step .. ":", rest, bits, amounts)
  end
end

local function histogram(amounts, from, buckets)
  for i = 1, #buckets, 2 do
    local n = #amounts
    amounts[n + 1], amounts[n + 2], amounts[n + 3] = "u24", from + 24 * buckets[i], buckets[i + 1]
  end
  return amounts
end

-- The name under which a type counts.
local function known(name)
  local types = own .. "types"
  if name ~= OTHER and not redis.call("ZSCORE", types, name) and redis.call("ZCARD", types) >= most then
    redis.call("ZREMRANGEBYSCORE", types, "-inf", now_s - DAY - 21600)
    if redis.call("ZCARD", types) >= most then
      name = OTHER
    end
  end
  redis.call("ZADD", types, now_s, name)
  redis.call("EXPIRE", types, DAY + 21600)
  return name
end

add({ step = 60, slots = 60, keep = DAY }, "rate:", "", 64, { "u32", 0, done[1], "u32", 32, done[2] })
both("wait", "", 24 * BUCKETS, histogram({}, 0, done[3]))
for i = 4, #done, 6 do
  local name, processed, failed, retried, spent, runs = unpack(done, i, i + 5)
  local amounts = { "u24", 0, processed, "u24", 24, failed, "u24", 48, retried, "u32", 72, spent }
  both("run", ":" .. known(name), 104 + 24 * BUCKETS, histogram(amounts, 104, runs))
end
return "ok"
