-- progress: note how far running tasks of one queue are, each only if it still is the caller's.
-- uses: clock, fence, guard
--
-- KEYS[1] root  asynq:{q}:     lease zset · t:<id> hash
-- KEYS[2] root  onebeat:{q}:
-- ARGV    per task             id · token · fraction done, from 0 to 1 · a text
-- returns list of str          "noted" | "lost" | "error <text>"
--
-- Kept in ob_progress as "<ms> <fraction> <text>", which the next attempt's `take` deletes. Go ignores it.

local function note(id, token, fraction, text)
  local task = KEYS[1] .. "t:" .. id
  local fields = redis.call("HMGET", task, "state", "ob_own", "ob_lease")
  if fields[1] ~= "active" or not holds(token, fields[2], fields[3], redis.call("ZSCORE", KEYS[1] .. "lease", id)) then
    return "lost"
  end
  redis.call("HSET", task, "ob_progress", int(now_ms) .. " " .. fraction .. " " .. text)
  return "noted"
end

local answers = {}
for i = 1, #ARGV, 4 do
  answers[#answers + 1] = guarded(note, unpack(ARGV, i, i + 3))
end
return answers
