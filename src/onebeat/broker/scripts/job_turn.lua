-- job_turn: give a step of a job its turn, so that all jobs of the store together change so many tasks a minute.
-- uses: clock
--
-- KEYS[1] str   onebeat:job-turns  "<when the next step of any job may begin> <when that was written>", ms
-- ARGV[1] int   count              tasks of the step
-- ARGV[2] int   per_minute         how many all jobs together may change within a minute
-- ARGV[3] int   most_ms            a line longer than that was not written by us, and is none
-- returns int                      ms to wait before the step
--
-- Turns are taken in the order in which they are asked for, and nothing is saved up while no job runs. The line may be
-- as long as it likes. Where the store's clock was set back, it stands from now on as it stood when it was written.

local words = redis.call("GET", KEYS[1]) or ""
local turn, written = string.match(words, "^(%S+) (%S+)$")
turn, written = tonumber(turn or ""), tonumber(written or "")
local line = turn and written and turn - written
if not line or not (line >= 0 and line <= tonumber(ARGV[3])) then -- so that "nan" is none either
  turn = now_ms
elseif written > now_ms then
  turn = now_ms + line
else
  turn = math.max(turn, now_ms)
end
local later = turn + tonumber(ARGV[1]) * 60000 / tonumber(ARGV[2])
redis.call(
  "SET", KEYS[1], string.format("%.3f %.0f", later, now_ms), "PX", int(math.ceil(later - now_ms) + 60000)
)
return math.ceil(turn - now_ms)
