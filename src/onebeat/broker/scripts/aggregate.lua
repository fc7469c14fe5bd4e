-- aggregate: put a combined task in the place of the members of a set, in one step.
-- uses: admit, clock, guard, group, place, unlock, ungroup, outgoing
--
-- KEYS[1] root  asynq:{q}:     g:<group>:<set> zset · aggregation_sets zset · t:<id> hash · and as `enqueue`
-- KEYS[2] root  onebeat:{q}:   sets, out hash · and as `enqueue`
-- ARGV[1] str   queue          as in `enqueue`
-- ARGV[2] str   set            its key
-- ARGV[3] str   owner          the server whose set it is
-- ARGV[4] int   count          of its members that went into the combined task
-- ARGV[5] str   id             of the combined task; the set's own unless it was given one
-- ARGV[6] str   elsewhere      "" if it goes to this queue; else the name of its queue (lib/outgoing.lua)
-- ARGV[7…]      msg · due · rest of the combined task, as in `enqueue`
-- ARGV[10…]     per member with a unique lock: id · key
-- returns str                  "aggregated" | "already" (by an earlier call) | "changed" (a member was taken out of the
--                              set meanwhile: read it again) | "lost" (the set is not that server's any more) |
--                              "conflict" | "duplicate <holder>" | "error <text>": nothing was done
--
-- asynq: aggregator.go, which enqueues, and then deletes the set, and aggregates again if it dies in between (SE-21).
-- The locks of members are freed: under asynq they last until their time is over. So one of them does not keep the
-- combined task out, if that is unique itself.

redis.call("LLEN", KEYS[1] .. "pending") -- a foreign type must fail before anything is written
local set, id = ARGV[2], ARGV[5]

local PLACED = { pending = true, scheduled = true, aggregating = true }

local function is_placed(answer)
  return PLACED[string.match(answer, "^%a+")]
end

local record = redis.call("HGET", KEYS[2] .. "sets", set)
if not record or string.match(record, "^%d+ (.*)$") ~= ARGV[3] then
  local is_there = redis.call("EXISTS", KEYS[1] .. "t:" .. id) == 1 or redis.call("HEXISTS", KEYS[2] .. "out", id) == 1
  return is_there and "already" or "lost"
end
local locks = {}
for i = 10, #ARGV, 2 do
  locks[ARGV[i]] = ARGV[i + 1]
end

-- Place the combined task where a member holds the lock that it is to have.
local function place_instead(holder)
  local lock = locks[holder]
  local left = redis.call("PTTL", lock)
  release(lock, holder)
  local answer = guarded(place, id, ARGV[7], ARGV[8], ARGV[9])
  if not is_placed(answer) then
    redis.call("SET", lock, holder)
    if left > 0 then
      redis.call("PEXPIRE", lock, left)
    end
  end
  return answer
end

local members = redis.call("ZRANGE", set, 0, -1)
if #members ~= tonumber(ARGV[4]) then
  return #members > 0 and "changed" or "lost"
end
if ARGV[6] ~= "" then
  note_outgoing(id, ARGV[6], ARGV[7], ARGV[8], ARGV[9])
else
  local answer = guarded(place, id, ARGV[7], ARGV[8], ARGV[9])
  local holder = string.match(answer, "^duplicate (.*)$")
  answer = holder and locks[holder] and place_instead(holder) or answer
  if not is_placed(answer) then
    return answer
  end
end
for member, lock in pairs(locks) do
  release(lock, member)
end
for _, member in ipairs(members) do
  local task = KEYS[1] .. "t:" .. member
  local waiter = redis.call("HGET", task, "ob_wait")
  redis.call("DEL", task)
  if waiter then
    redis.call("PUBLISH", "onebeat:reply:" .. waiter, ARGV[1] .. "\0" .. member)
  end
end
forget_set(set)
settle(ARGV[1])
return "aggregated"
