-- sweep: mend what no script of ours or Go's leaves behind, but damage and old entries do; a little every 15 s.
--
-- sweep() returns how many entries it mended. In turns of 500 entries it
--   drops entries of `exact` that belong to no waiting task any more (Go ran or deleted it; rule 17), and
--   looks at the longest running: an id in `active` without a lease would stay there for ever (SE-13). If its
--   task is active it gets a lease that lapses, by rule 11, in half a minute; otherwise the id is dropped.
-- Needs clock, forward.

local SWEEP_EVERY_MS, SWEEP = 15000, 500

local function sweep_exact(beat)
  local exact, from = KEYS[2] .. "exact", tonumber(redis.call("HGET", beat, "swept_to") or "0")
  local page = redis.call("ZRANGE", exact, from, from + SWEEP - 1, "WITHSCORES")
  local dropped = 0
  for i = 1, #page, 2 do
    if not waits_exactly(page[i], page[i + 1]) then
      redis.call("ZREM", exact, page[i])
      relist(page[i])
      dropped = dropped + 1
    end
  end
  local is_last = #page < SWEEP * 2
  redis.call("HSET", beat, "swept_to", is_last and "0" or int(from + SWEEP - dropped))
  return dropped
end

local function sweep_active()
  local ids, mended = redis.call("LRANGE", KEYS[1] .. "active", -SWEEP, -1), 0
  if #ids == 0 then
    return 0
  end
  local leases = redis.call("ZMSCORE", KEYS[1] .. "lease", unpack(ids))
  for i, id in ipairs(ids) do
    if not leases[i] then
      mended = mended + 1
      local fields = redis.call("HMGET", KEYS[1] .. "t:" .. id, "msg", "state")
      if fields[1] and fields[2] == "active" then
        redis.call("ZADD", KEYS[1] .. "lease", now_s, id)
      else
        redis.call("LREM", KEYS[1] .. "active", 1, id)
      end
    end
  end
  return mended
end

local function sweep()
  local beat = KEYS[2] .. "beat"
  if now_ms - tonumber(redis.call("HGET", beat, "swept") or "0") < SWEEP_EVERY_MS then
    return 0
  end
  redis.call("HSET", beat, "swept", int(now_ms))
  return sweep_exact(beat) + sweep_active()
end
