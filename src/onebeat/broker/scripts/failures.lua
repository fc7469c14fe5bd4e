-- failures: look at some tasks of one sorted set, those of the highest score first, without their payloads.
-- uses: clock, readable, describe, rank
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · retry, archived zset
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   suffix         of the zset
-- ARGV[2] str   score          of the entry where the last step ended; "" to begin with
-- ARGV[3] str   id             that entry
-- ARGV[4] int   limit          entries to look at
-- ARGV[5] int   max_bytes      stop once what is read weighs this much (one is always looked at)
-- ARGV[6] str   whole          "1": give payloads too
-- returns list                 entries looked at · last entry's id · its score · "1" if there are none behind it, else
--                              "" · then per task its id, score, and what lib/describe.lua says
--
-- Entries without a record are passed over (SE-13).

local key, limit, max_bytes = KEYS[1] .. ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[5])

-- The whole number that stands at a place of a message, and the place behind it.
local function varint_at(message, at)
  local n, weight = 0, 1
  for i = at, at + 4 do
    local byte = string.byte(message, i)
    if not byte then
      return nil
    end
    n, weight = n + byte % 128 * weight, weight * 128
    if byte < 128 then
      return n, i + 1
    end
  end
end

-- A message without its payload: the fields stand in order, the type first. Any other is left as it is.
local function bare(message)
  local type_length, type_at = varint_at(message, 2)
  if ARGV[6] == "1" or string.byte(message) ~= 10 or not type_length then
    return message
  end
  local head = type_at + type_length
  local length, at = varint_at(message, head + 1)
  if string.byte(message, head) ~= 18 or not length or at + length - 1 > #message then
    return message
  end
  return string.sub(message, 1, head - 1) .. string.sub(message, at + length)
end

local rest = ARGV[3] == "" and redis.call("ZCARD", key) or rank_before(key, ARGV[2], ARGV[3])
local page = rest > 0 and redis.call("ZRANGE", key, math.max(0, rest - limit), rest - 1, "WITHSCORES") or {}
local answer = { 0, "", "", "" }
local weight, seen = 0, 0
for i = #page - 1, 1, -2 do
  local id, score = page[i], page[i + 1]
  weight = weight + read(0, "HSTRLEN", KEYS[1] .. "t:" .. id, "msg")
  if seen > 0 and weight > max_bytes then
    break
  end
  seen = seen + 1
  answer[2], answer[3] = id, score
  local found = describe(id)
  if found then
    found[1] = bare(found[1])
    answer[#answer + 1], answer[#answer + 2] = id, score
    for _, field in ipairs(found) do
      answer[#answer + 1] = field
    end
  end
end
answer[1], answer[4] = seen, seen >= rest and "1" or ""
return answer
