-- enqueue: put a batch of tasks on one queue, each pending, scheduled or in its group, with an answer for each.
-- uses: clock, guard, group, place
--
-- KEYS[1] root  asynq:{q}:     t:<id> hash · pending list · scheduled, g:<group> zset · groups set · unique:… string
-- KEYS[2] root  onebeat:{q}:   exact zset (due, ms) · groups zset, joined hash (lib/group.lua) ·
--                              c:<client> string (last batch and its answers, 600 s)
-- ARGV[1] str   queue          published on onebeat:wake when its next due time, or that of a group, moves up
-- ARGV[2] str   client         one batch of a client and queue is under way at a time
-- ARGV[3] int   sequence       rises by one per batch; the same number again is the same batch
-- ARGV[4…] per task            id · msg · due ("" now, "+ms" from now, "ms" since 1970) · "", or in MessagePack a
--                              list of what few tasks have: unique key or "" · lock time in ms, counted from the
--                              due time · until when the lock holds: "" done, "start" or "ttl" · timeout in ms or ""
--                              · expires ("" never, "+ms" from the due time, "ms" since 1970)
--                              · group or "" · name, value, … of fields of its record that tell of its past
-- returns list of str          "pending" | "scheduled <ms>" | "aggregating" | "conflict" | "duplicate <holder>" | "error <text>",
--                              or "stale" alone when a later batch of this client was answered already
--
-- A repeat is answered from the record (rule 7).

local asynq, own = KEYS[1], KEYS[2]
local record = own .. "c:" .. ARGV[2]
local sequence = tonumber(ARGV[3])
local last = redis.call("GET", record)
if last then
  last = cmsgpack.unpack(last)
  if last[1] == sequence then
    return last[2]
  elseif last[1] > sequence then
    return { "stale" }
  end
end

redis.call("LLEN", asynq .. "pending") -- a foreign type must fail before anything is written
local answers = {}
for i = 4, #ARGV, 4 do
  answers[#answers + 1] = guarded(place, unpack(ARGV, i, i + 3))
end
settle(ARGV[1])
redis.call("SET", record, cmsgpack.pack({ sequence, answers }), "PX", 600000)
return answers
