-- sessions: what a user's hash of sessions holds, and keeping it short. Needs clock.
--
-- onebeat:sessions:<user> hash   <id>    "<seen> <begun> <until> <way> <address>", or "- <begun> <until>" of an ended one
--                                before  ms: what was begun then or earlier has ended
--
-- tidy(most, keep_ms) forgets what is over by itself. Of more than `most` the oldest go, and are ended by `before`, so
-- that nothing which was ended comes back. The key outlives the last session that it knows.

local function parts(value)
  local seen, begun, untl, rest = string.match(value, "^(%S+) (%d+) (%d+) ?(.*)$")
  return seen, tonumber(begun) or 0, tonumber(untl) or 0, rest
end

local function keep(ms)
  if redis.call("PTTL", KEYS[1]) < ms then
    redis.call("PEXPIRE", KEYS[1], int(ms))
  end
end

local function tidy(most, keep_ms)
  local all, rows = redis.call("HGETALL", KEYS[1]), {}
  for i = 1, #all, 2 do
    if all[i] ~= "before" then
      local _, begun, untl = parts(all[i + 1])
      if untl < now_ms then
        redis.call("HDEL", KEYS[1], all[i])
      else
        rows[#rows + 1] = { begun, all[i] }
      end
    end
  end
  if #rows > most then
    table.sort(rows, function(one, other) return one[1] < other[1] end)
    local before = tonumber(redis.call("HGET", KEYS[1], "before")) or 0
    for i = 1, #rows - most do
      before = math.max(before, rows[i][1])
      redis.call("HDEL", KEYS[1], rows[i][2])
    end
    redis.call("HSET", KEYS[1], "before", int(before))
  end
  keep(keep_ms)
end
