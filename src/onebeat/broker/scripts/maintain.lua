-- maintain: everything one queue needs from time to time, in one call: fire its schedules, forward what
-- is due, recover what lapsed, delete what expired, stage groups that are due, mend what is damaged.
-- uses: clock, guard, counters, protobuf, archive, unlock, lock, filed, late, group, ungroup, restore, stage, outgoing, forward, attempts, recover, expire, sweep, tick
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   max_crashes    a task whose process died this often is archived
-- ARGV[2,3] int size, age_s    what the archive keeps (lib/archive.lua); "": as it was said before
-- ARGV[4] str   owner          the server that aggregates here, or "" if the caller does not
-- ARGV[5] int   lease_ms       how long a set stays its own without another call
-- ARGV[6] int   at_once        how many sets of this queue it may have
-- ARGV[7] str   cursor         where its scan of all groups goes on, "0" at the beginning, "" for no scan now
-- ARGV[8] int   most           failures of its groups after which a member is archived
-- ARGV[9] int   backoff_ms     how long a group rests after its first failure
-- ARGV[10] int  frees          1: the lock of such a member is freed
-- ARGV[11…] per aggregator     start of its groups' names · grace (ms) · longest delay (ms) · size, the longest
--                              start first; 0: no limit (lib/stage.lua)
-- returns list                 now (µs) · next due instant (ms) or "" · forwarded · expired ·
--                              fired ("<id> <tick>") · recovered ("<place> <id>") · low (ids of calendars
--                              that want ticks) · errors ("<part> <text>") · mended · 1 if tasks run or
--                              schedules await their ticks, or groups their servers, else 0 ·
--                              keys of the sets that are the server's · cursor, "" if there was no scan ·
--                              1 if more groups are due, else 0 · what was returned to groups (key of a set,
--                              "<back> <archived>") · tasks that were to go to other queues and whose server did not
--                              see to it: id, queue, msg, due, rest (lib/outgoing.lua) · a group that nobody aggregates,
--                              or "" · of each that was recovered its type, its failures and its error (lib/recover.lua) ·
--                              ticks that passed without a task (lib/tick.lua) · what of groups was archived (lib/filed.lua)
--
-- Any number of servers may call it at any time. Each part is guarded: one that fails, because a key
-- holds a foreign type, does not stop the others. While the store's memory is full no schedule fires, as
-- no client can enqueue; all that frees memory goes on (mechanism-rules 4). Whether it is full is told by
-- the first write, which the store then refuses; after the second, which it never refuses, it lets all pass.

local errors, fired, low, missed = {}, {}, {}, {}
local probe = redis.pcall("HSET", KEYS[2] .. "beat", "seen", int(now_ms))
local is_full = type(probe) == "table" and string.find(probe.err, "OOM", 1, true)
redis.call("DEL", KEYS[2] .. "nil")

local function part(name, run, ...)
  local answer = guarded(run, ...)
  if type(answer) == "string" then
    errors[#errors + 1] = name .. " " .. answer
    return nil
  end
  return answer
end

part("schedules", function()
  if is_full then
    errors[#errors + 1] = "schedules wait: the store's memory is full"
    return
  end
  local failed
  fired, low, failed, missed = fire_schedules()
  for _, text in ipairs(failed) do
    errors[#errors + 1] = "schedule " .. text
  end
end)
local a = {
  owner = ARGV[4], lease_ms = tonumber(ARGV[5]), at_once = tonumber(ARGV[6]), cursor = ARGV[7], most = tonumber(ARGV[8]),
  backoff_ms = tonumber(ARGV[9]), frees = ARGV[10] == "1", rules = {}, sets = {}, reports = {}, staged = 0, restored = 0,
  expired = 0, is_full = false, errors = {},
}
for i = 11, #ARGV, 4 do
  local grace, delay, size = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  a.rules[#a.rules + 1] = { start = ARGV[i], grace = grace, delay = delay, size = size }
end

local forwarded = part("forward", forward) or 0
local recovered, recovered_of = unpack(part("recover", recover, tonumber(ARGV[1])) or { {}, {} })
local expired = part("expire", expire) or 0
expired = expired
  + (part("archive", function()
    if ARGV[3] ~= "" then
      keep_in_archive(ARGV[2], ARGV[3])
    end
    return trim_archive()
  end) or 0)
local mended = part("sweep", sweep) or 0

local function has_groups()
  local asynq, own = KEYS[1], KEYS[2]
  return redis.call("EXISTS", asynq .. "groups", asynq .. "aggregation_sets", own .. "groups", own .. "sets", own .. "out") > 0
end

local outgoing, forlorn = {}, ""
part("groups", function()
  local is_new = settle_groups()
  if not has_groups() then
    return
  end
  if is_new and a.owner == "" then
    redis.call("PUBLISH", "onebeat:wake", string.match(KEYS[2], "{(.*)}"))
  end
  keep_sets(a)
  reclaim(a)
  aggregate(a)
  outgoing = a.owner ~= "" and left_behind() or outgoing
  forlorn = lonely()
end)
for _, text in ipairs(a.errors) do
  errors[#errors + 1] = "groups " .. text
end

local function next_due()
  local soonest = math.huge
  for key, unit in pairs({
    [KEYS[2] .. "exact"] = 1,
    [KEYS[2] .. "due"] = 1,
    [KEYS[1] .. "scheduled"] = 1000,
    [KEYS[1] .. "retry"] = 1000,
    [KEYS[1] .. "completed"] = 1000,
  }) do
    local head = redis.call("ZRANGE", key, 0, 0, "WITHSCORES")
    soonest = math.min(soonest, head[2] and tonumber(head[2]) * unit or math.huge)
  end
  return math.min(soonest, next_group(a))
end

local soonest = part("next", next_due) or math.huge
local next_ms = soonest < math.huge and int(soonest) or ""
local busy = { KEYS[1] .. "active", KEYS[1] .. "lease", KEYS[2] .. "stuck", KEYS[1] .. "aggregation_sets" }
local is_busy = redis.call("EXISTS", KEYS[1] .. (a.owner ~= "" and "groups" or "active"), unpack(busy)) > 0 and 1 or 0
return {
  int(now_us), next_ms, forwarded, expired, fired, recovered, low, errors, mended, is_busy,
  a.sets, a.cursor, a.is_full and 1 or 0, a.reports, outgoing, forlorn,
  recovered_of, missed, filed,
}
