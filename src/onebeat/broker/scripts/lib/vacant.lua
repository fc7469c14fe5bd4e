-- vacant: does a queue hold any task?
--
-- is_vacant() looks at all places that a task can be listed in; an empty list or set does not exist. A group is
-- listed before its first member comes, and remains so if that is deleted: of groups that are listed and empty up to
-- 1,000 are struck off here. A combined task on its way to another queue (lib/outgoing.lua) is one, too.

local EMPTY_GROUPS, STEP = 1000, 100

local function has_groups()
  local groups = KEYS[1] .. "groups"
  for _ = 1, EMPTY_GROUPS / STEP do
    local found = redis.call("SRANDMEMBER", groups, STEP)
    for _, group in ipairs(found) do
      if redis.call("EXISTS", KEYS[1] .. "g:" .. group) == 1 then
        return true
      end
      redis.call("SREM", groups, group)
    end
    if #found < STEP then
      return false
    end
  end
  return redis.call("EXISTS", groups) == 1
end

local function is_vacant()
  local keys = { KEYS[2] .. "out" }
  for _, suffix in ipairs({
    "pending", "active", "scheduled", "retry", "archived", "completed", "aggregation_sets",
  }) do
    keys[#keys + 1] = KEYS[1] .. suffix
  end
  return redis.call("EXISTS", unpack(keys)) == 0 and not has_groups()
end
