-- steer: run, archive or delete some tasks of one queue, named by their ids.
-- uses: admit, clock, guard, protobuf, archive, unlock, lock, ungroup, remove, steer, asfound
--
-- KEYS[1] root  asynq:{q}:     pending, active list · scheduled, retry, archived, completed, lease,
--                              g:<group> zset · groups set · t:<id> hash · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms)
-- ARGV[1] str   action         run | archive | delete
-- ARGV[2] bytes seen           "", or of each task what it must still be (lib/asfound.lua)
-- ARGV[3…] str  ids
-- returns list of str          what it is now: "pending" | "archived" | "deleted"; or "gone" |
--                              "changed" (it is not what was seen) |
--                              "already <state>" (as it is, it stays: it runs, or that is what was asked for) |
--                              "error <text>"
--
-- A task whose record says that it waits or runs, but that is in no list (its lists were lost), is treated as one that
-- waits nowhere. A record without a message (SE-13, SE-14) can be deleted, from wherever its id stands.

local action = ARGV[1]
local DONE = { run = "pending", archive = "archived", delete = "deleted" }
local STAYS = {
  run = { pending = true, active = true },
  archive = { archived = true, active = true },
  delete = { active = true },
}

local function is_listed(id, state)
  if state == "pending" then
    return redis.call("LPOS", KEYS[1] .. "pending", id)
  elseif state == "active" then
    return redis.call("LPOS", KEYS[1] .. "active", id) or redis.call("ZSCORE", KEYS[1] .. "lease", id)
  end
  return redis.call("ZSCORE", KEYS[1] .. state, id)
end

local function scrub(id, task)
  for _, name in ipairs({ "pending", "active" }) do
    redis.call("LREM", KEYS[1] .. name, 0, id)
  end
  for _, name in ipairs({ "lease", "scheduled", "retry", "archived", "completed" }) do
    redis.call("ZREM", KEYS[1] .. name, id)
  end
  redis.call("ZREM", KEYS[2] .. "exact", id)
  redis.call("DEL", task)
end

local function one(id, seen)
  local task = KEYS[1] .. "t:" .. id
  local f = record(id)
  if not f.msg then
    if action == "delete" and redis.call("EXISTS", task) == 1 then
      scrub(id, task)
      return "deleted"
    end
    return "gone"
  end
  if has_changed(seen, f.state, f.msg) then
    return "changed"
  end
  if STAYS[action][f.state] then
    if is_listed(id, f.state) then
      return "already " .. f.state
    end
  elseif not leave(id, f.state, f.group) and f.state == "aggregating" then
    return "error it is being aggregated"
  end
  steer[action](id, task, f)
  return DONE[action]
end

redis.call("LLEN", KEYS[1] .. "pending") -- a foreign type must fail before anything moves
redis.call("ZCARD", KEYS[1] .. "archived")
redis.call("ZCARD", KEYS[2] .. "exact")
local answers, archived, seen = {}, 0, chosen(ARGV[2])
for i = 3, #ARGV do
  local answer = guarded(one, ARGV[i], seen[i - 2])
  answers[i - 2] = answer
  archived = archived + (answer == "archived" and 1 or 0)
end
if archived > 0 then
  trim_for(archived)
end
return answers
