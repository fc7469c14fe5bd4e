-- refill: append ticks to the tape of a calendar schedule, if nobody else has.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:   due, stuck zset · d:<id> hash · tape:<id> list
-- ARGV[1] str   id
-- ARGV[2] str   rev            the definition the ticks belong to
-- ARGV[3] int   last           the last tick known when they were computed (ms)
-- ARGV[4…] str  ticks          ms, rising; "end" when there are no more, ever
-- returns int                  1 appended, 0 another instance was first
--
-- Compare-and-set on (rev, last): the tape is a pure function of the definition, so who appends does not matter.

local tape, due, stuck = KEYS[2] .. "tape:" .. ARGV[1], KEYS[2] .. "due", KEYS[2] .. "stuck"
local parked = redis.call("ZSCORE", stuck, ARGV[1])
local last = redis.call("LINDEX", tape, -1) or redis.call("ZSCORE", due, ARGV[1]) or parked
if redis.call("HGET", KEYS[2] .. "d:" .. ARGV[1], "rev") ~= ARGV[2] or not last or last == "end" then
  return 0
elseif tonumber(last) ~= tonumber(ARGV[3]) then
  return 0
end
local first = 4
if parked and ARGV[4] ~= "end" then
  redis.call("ZADD", due, ARGV[4], ARGV[1])
  redis.call("PUBLISH", "onebeat:wake", string.match(KEYS[2], "{(.*)}"))
  first = 5
elseif parked then
  redis.call("HSET", KEYS[2] .. "d:" .. ARGV[1], "state", "done")
end
redis.call("ZREM", stuck, ARGV[1])
for i = first, #ARGV do
  redis.call("RPUSH", tape, ARGV[i])
end
return 1
