-- front: some ids of one list or zset, in the order of asynq's tools (inspect.go listMessages, listZSetEntries).
--
-- front(suffix, offset, limit): of pending and active the next to run, or longest running, first; of a zset by
-- rising score.

local IS_LIST = { pending = true, active = true }

local function front(suffix, offset, limit)
  local key = KEYS[1] .. suffix
  if not IS_LIST[suffix] then
    return redis.call("ZRANGE", key, offset, offset + limit - 1)
  end
  local page, turned = redis.call("LRANGE", key, -offset - limit, -offset - 1), {}
  for i = #page, 1, -1 do
    turned[#turned + 1] = page[i]
  end
  return turned
end
