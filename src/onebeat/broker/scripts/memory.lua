-- memory: about how much memory one queue takes, from a few samples (asynq: inspect.go memoryUsageCmd; SE-45).
--
-- KEYS[1] root  asynq:{q}:     the lists and zsets of the states · groups · g:<group> zset · t:<id> hash
-- KEYS[2] root  onebeat:{q}:   exact zset
-- ARGV[1] int   tasks          samples of each list and set
-- ARGV[2] int   groups         groups that are sampled
-- returns list                 bytes · "" or why the store does not tell
--
-- Samples come from both ends of each, so that a change in the tasks' size is seen. At most
-- (6 + groups) * tasks tasks are measured, however large the queue is.

local most, refused = tonumber(ARGV[1]), ""

local function usage(key)
  local bytes = redis.pcall("MEMORY", "USAGE", key)
  if type(bytes) == "table" then
    refused = bytes.err
    return 0
  end
  return bytes or 0
end

-- Bytes of `count` tasks, of which some ids are known.
local function tasks(ids, count)
  local sum, measured = 0, 0
  for _, id in ipairs(ids) do
    if refused ~= "" then
      return 0
    end
    sum, measured = sum + usage(KEYS[1] .. "t:" .. id), measured + 1
  end
  return measured > 0 and sum / measured * count or 0
end

local function both_ends(command, key, count)
  local half = math.ceil(most / 2)
  local ids = redis.call(command, key, 0, half - 1)
  local from = math.max(half, count - most + half)
  for _, id in ipairs(from < count and redis.call(command, key, from, -1) or {}) do
    ids[#ids + 1] = id
  end
  return ids
end

local function part(suffix, size, range)
  local key = KEYS[1] .. suffix
  local count = redis.call(size, key)
  return tasks(both_ends(range, key, count), count) + usage(key)
end

local total = usage(KEYS[2] .. "exact") + usage(KEYS[1] .. "groups")
if refused ~= "" then
  return { "0", refused }
end
for _, suffix in ipairs({ "pending", "active" }) do
  total = total + part(suffix, "LLEN", "LRANGE")
end
for _, suffix in ipairs({ "scheduled", "retry", "archived", "completed" }) do
  total = total + part(suffix, "ZCARD", "ZRANGE")
end
local groups, of_groups = redis.call("SCARD", KEYS[1] .. "groups"), 0
local sampled = redis.call("SRANDMEMBER", KEYS[1] .. "groups", ARGV[2])
for _, group in ipairs(sampled) do
  of_groups = of_groups + part("g:" .. group, "ZCARD", "ZRANGE")
end
if #sampled > 0 then
  total = total + of_groups / #sampled * groups
end
return { string.format("%.0f", total), refused }
