-- rank: where a walk through a zset goes on, whatever came and went since its last step.
--
-- rank_behind(key, score, id, lowest) returns how many entries are not behind the entry of this score and id, there or
-- not; without an id, how many are below the lowest score. Entries of one score are ordered by the bytes of their ids.
-- rank_before(key, score, id) returns how many entries come before it, for a walk down.

local function is_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

local function rank_behind(key, score, id, lowest)
  if id == "" then
    return lowest == "-inf" and 0 or redis.call("ZCOUNT", key, "-inf", "(" .. lowest)
  end
  local low = redis.call("ZCOUNT", key, "-inf", "(" .. score)
  local high = low + redis.call("ZCOUNT", key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(id, redis.call("ZRANGE", key, middle, middle)[1]) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local function rank_before(key, score, id)
  local rank = rank_behind(key, score, id, "-inf")
  local there = rank > 0 and redis.call("ZRANGE", key, rank - 1, rank - 1)[1]
  return there == id and rank - 1 or rank
end
