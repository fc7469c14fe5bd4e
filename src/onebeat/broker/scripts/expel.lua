-- expel: archive members of a set that no aggregator can be given: their bytes are no task, or their payload does not fit.
-- uses: admit, clock, guard, protobuf, archive, unlock, ungroup
--
-- KEYS[1] root  asynq:{q}:     g:<group>:<set>, aggregation_sets, archived zset · t:<id> hash · unique:… string
-- KEYS[2] root  onebeat:{q}:   sets hash
-- ARGV[1] str   set            its key
-- ARGV[2] str   owner          the server whose set it is
-- ARGV[3] int   frees          1: their locks are freed
-- ARGV[4…] per member          id · why · "read" if its bytes are a task's, else "", and they stay as they are
-- returns list of str          "archived" | "gone" (it is not in the set) | "error <text>"

local function expel(id, why, read)
  local task, set = KEYS[1] .. "t:" .. id, ARGV[1]
  local record = redis.call("HGET", KEYS[2] .. "sets", set)
  redis.call("ZCARD", KEYS[1] .. "archived") -- a foreign type must fail before anything moves
  if not record or string.match(record, "^%d+ (.*)$") ~= ARGV[2] or redis.call("ZREM", set, id) == 0 then
    return "gone"
  end
  local f = redis.call("HMGET", task, "msg", "unique_key")
  if read ~= "" then
    file_in_archive(id, task, "msg", f[1] .. text_field(ERROR_MSG, why) .. LAST_FAILED_AT .. varint(now_s))
  else
    file_in_archive(id, task, "ob_error", why)
  end
  redis.call("HDEL", task, "ob_fails")
  if ARGV[3] == "1" or read == "" then
    release(f[2], id)
  end
  return "archived"
end

local answers = {}
for i = 4, #ARGV, 3 do
  answers[#answers + 1] = guarded(expel, ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
if redis.call("EXISTS", ARGV[1]) == 0 then
  forget_set(ARGV[1])
end
trim_archive()
return answers
