-- search: look at some tasks of one state, on from where the last step ended, and give those that may be wanted.
-- uses: clock, readable, describe, rank
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · pending, active list · the other states' zsets, g:<group>, lease
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   suffix         of the list or zset
-- ARGV[2] int   offset         entries before the one where the last step ended, that one included; 0 to begin with
-- ARGV[3] str   id             that entry; "" in a list: go by the offset
-- ARGV[4] str   score          its score in a zset, or ""
-- ARGV[5] str   lowest         score that is looked at, "-inf" for all
-- ARGV[6] str   highest        "+inf" for all
-- ARGV[7] int   limit          entries to look at
-- ARGV[8] int   max_read       stop once their messages weigh this much (one is always looked at)
-- ARGV[9] int   max_bytes      stop once what is given weighs this much (one is always given)
-- ARGV[10] bytes needles       MessagePack: groups of alternatives {kind, text}; of each group one must be found
-- ARGV[11] str  down           "1": a zset is gone through from its highest score down
-- returns list                 now (µs) · entries looked at · offset after them · last entry's id · its score ·
--                              "1" if there are none behind it, else "" · entries whose record is missing or cannot
--                              be read · the first of them, or "" · then per task its id, score or "", offset, how
--                              many such entries stand before it, and what lib/describe.lua says
--
-- A zset is gone through by score and id, so what comes or goes meanwhile hides nothing that stays. A list is gone
-- through from the next to run: its last entry is looked for again where it must have moved to; if it is gone, all up
-- to it were taken as a rule, and the step begins at the front again. Entries without a record are passed over (SE-13),
-- and counted.

local suffix, limit = ARGV[1], tonumber(ARGV[7])
local max_read, max_bytes = tonumber(ARGV[8]), tonumber(ARGV[9])
local key, groups = KEYS[1] .. suffix, ARGV[10] ~= "" and cmsgpack.unpack(ARGV[10]) or {}
local is_list = suffix == "pending" or suffix == "active"

local function list_start(offset, id)
  if offset == 0 or id == "" or redis.call("LINDEX", key, -offset) == id then
    return offset
  end
  local place = redis.call("LPOS", key, id, "RANK", -1, "MAXLEN", offset)
  return place and redis.call("LLEN", key) - place or 0
end

local function entries_down()
  local ids, scores = {}, {}
  local total = redis.call("ZCOUNT", key, "-inf", ARGV[6])
  local rest = ARGV[3] == "" and total or math.min(rank_before(key, ARGV[4], ARGV[3]), total)
  local first = ARGV[5] == "-inf" and 0 or redis.call("ZCOUNT", key, "-inf", "(" .. ARGV[5])
  if rest > first then
    local page = redis.call("ZRANGE", key, math.max(first, rest - limit), rest - 1, "WITHSCORES")
    for i = #page - 1, 1, -2 do
      ids[#ids + 1], scores[#scores + 1] = page[i], page[i + 1]
    end
  end
  return ids, scores, total - rest
end

-- Entries from where the last step ended: ids, scores, and how many come before them.
local function entries()
  local ids, scores = {}, {}
  if is_list then
    local start = list_start(tonumber(ARGV[2]), ARGV[3])
    local page = redis.call("LRANGE", key, -start - limit, -start - 1)
    for i = #page, 1, -1 do
      ids[#ids + 1] = page[i]
    end
    return ids, scores, start
  end
  if ARGV[11] == "1" then
    return entries_down()
  end
  local start = rank_behind(key, ARGV[4], ARGV[3], ARGV[5])
  local last = redis.call("ZCOUNT", key, "-inf", ARGV[6])
  if start < last then
    local page = redis.call("ZRANGE", key, start, math.min(start + limit, last) - 1, "WITHSCORES")
    for i = 1, #page, 2 do
      ids[#ids + 1], scores[#scores + 1] = page[i], page[i + 1]
    end
  end
  return ids, scores, start
end

local function is_there(needle, id, message, small)
  local kind, text = needle[1], needle[2]
  if kind == "i" then
    return string.find(small(), text, 1, true)
  end
  return string.find(kind == "#" and id or message, text, 1, kind ~= "%")
end

local function may_be_wanted(id, message)
  local lowered
  local function small()
    lowered = lowered or string.lower(message)
    return lowered
  end
  for _, alternatives in ipairs(groups) do
    local found = false
    for _, needle in ipairs(alternatives) do
      found = found or is_there(needle, id, message, small)
    end
    if not found then
      return false
    end
  end
  return true
end

local ids, scores, start = entries()
local answer = { int(now_us), 0, 0, "", "", "", 0, "" }
local head, looked, given, seen = #answer, 0, 0, 0
for i, id in ipairs(ids) do
  local message = read(false, "HGET", KEYS[1] .. "t:" .. id, "msg")
  looked = looked + (message and #message or 0)
  if seen > 0 and looked > max_read then
    break
  end
  local found = message and may_be_wanted(id, message) and describe(id)
  given = given + (found and #found[1] + #found[3] or 0)
  if found and #answer > head and given > max_bytes then
    break
  end
  seen = i
  if not message then
    answer[7], answer[8] = answer[7] + 1, answer[7] == 0 and id or answer[8]
  end
  if found then
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = id, scores[i] or "", start + i
    answer[#answer + 1] = answer[7]
    for _, field in ipairs(found) do
      answer[#answer + 1] = field
    end
  end
end
answer[2], answer[3], answer[4], answer[5] = seen, start + seen, ids[seen] or "", scores[seen] or ""
answer[6] = seen == #ids and seen < limit and "1" or ""
return answer
