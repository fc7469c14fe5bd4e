-- run_schedule: enqueue the task of a schedule now, beside its ticks, whatever state it is in.
-- uses: clock, guard, protobuf, group, tick
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · pending list · unique:… string · groups (lib/group.lua)
-- KEYS[2] root  onebeat:{q}:   d:<id> hash
-- ARGV[1] str   id
-- ARGV[2] str   key            the task's id is "<id>:m:<key>", so that the same key runs it once
-- ARGV[3] str   rev            of the definition that the next two were made of; "" where both are ""
-- ARGV[4] bytes fields         of a TaskMessage, put in place of the definition's own; "": none
-- ARGV[5] str   unique_key     the lock of that payload; "": the definition's own
-- returns str                  "enqueued" | "conflict" (the id is taken) | "duplicate <holder>" | "full" |
--                              "changed" (another definition by now) | "moved <queue>" | "gone"
--
-- `due`, the phase and the counters of ticks stay as they are; it is counted apart, as `ran`. A delay of the ticks
-- (`process_in`) does not count.

local d = definition(ARGV[1])
local facts = redis.call("HMGET", d.key, "rev", "moved")
if not d.msg then
  return "gone"
elseif facts[2] then
  return "moved " .. facts[2]
elseif ARGV[3] ~= "" and ARGV[3] ~= facts[1] then
  return "changed"
end
d.delay, d.msg, d.unique_key = nil, d.msg .. ARGV[4], ARGV[5] ~= "" and ARGV[5] or d.unique_key
local task_id = ARGV[1] .. ":m:" .. ARGV[2]
local holder = d.unique_key and redis.call("GET", d.unique_key)
if redis.call("EXISTS", KEYS[1] .. "t:" .. task_id) == 1 then
  return "conflict"
elseif holder then
  return "duplicate " .. holder
elseif not enqueue(ARGV[1], d, task_id, int(now_ms)) then
  return "full"
end
note_event(ARGV[1], task_id)
redis.call("HINCRBY", d.key, "ran", 1)
if settle_groups() then
  redis.call("PUBLISH", "onebeat:wake", string.match(KEYS[2], "{(.*)}"))
end
return "enqueued"
