-- readable: read what another program may have spoiled, so that one key of a foreign type takes nothing else along.
--
-- read(instead, command, key, …) returns the answer; `instead` where the key is of a foreign type, which is noted.
-- foreign() returns what was noted: key, type, …, each key once.

local noted, noted_keys = {}, {}

local function read(instead, command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= "table" or not answer.err then
    return answer
  elseif not string.find(answer.err, "WRONGTYPE", 1, true) then
    return redis.call(command, key, ...) -- fails as it did
  end
  if not noted[key] then
    noted[key] = true
    noted_keys[#noted_keys + 1] = key
  end
  return instead
end

local function foreign()
  local found = {}
  for _, key in ipairs(noted_keys) do
    found[#found + 1], found[#found + 2] = key, redis.call("TYPE", key).ok
  end
  return found
end
