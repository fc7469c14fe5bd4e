-- vacant: does a queue hold any task?
--
-- is_vacant() looks at all places that a task can be listed in; an empty list or set does not exist.

local function is_vacant()
  local keys = {}
  for _, suffix in ipairs({
    "pending", "active", "scheduled", "retry", "archived", "completed", "groups", "aggregation_sets",
  }) do
    keys[#keys + 1] = KEYS[1] .. suffix
  end
  return redis.call("EXISTS", unpack(keys)) == 0
end
