-- plans: how some schedules of one queue fare. It only reads.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   declared, due, stuck zset · d:<id> hash (lib/tick.lua)
-- ARGV[1] int   offset
-- ARGV[2] int   limit
-- returns list                 how many were looked at, then per schedule names and values

local page = redis.call("ZRANGE", KEYS[2] .. "declared", ARGV[1], ARGV[1] + ARGV[2] - 1, "WITHSCORES")
local found = { #page / 2 }
for i = 1, #page, 2 do
  local id = page[i]
  local d = redis.call("HMGET", KEYS[2] .. "d:" .. id, "state", "error", "spec", "missed", "skipped", "fired", "app")
  if d[1] then
    local fields = {
      id = id, state = d[1], error = d[2] or "", spec = d[3] or "", missed = d[4] or "0", skipped = d[5] or "0",
      fired = d[6] or "0", app = d[7] or "", declared = page[i + 1], due = redis.call("ZSCORE", KEYS[2] .. "due", id) or "",
      stuck = redis.call("ZSCORE", KEYS[2] .. "stuck", id) or "",
    }
    local list = {}
    for name, value in pairs(fields) do
      list[#list + 1], list[#list + 2] = name, value
    end
    found[#found + 1] = list
  end
end
return found
