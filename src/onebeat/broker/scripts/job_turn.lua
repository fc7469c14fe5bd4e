-- job_turn: give a step of a job its turn, so that all jobs of the store together change so many tasks a minute.
-- uses: clock
--
-- KEYS[1] str   onebeat:job-turns  when the next step of any job may begin, ms
-- ARGV[1] int   count              tasks of the step
-- ARGV[2] int   per_minute         how many all jobs together may change within a minute
-- ARGV[3] int   most_ms            a turn later than so long from now is none: the store's clock was set back
-- returns int                      ms to wait before the step
--
-- Turns are taken in the order in which they are asked for, and nothing is saved up while no job runs.

local turn = tonumber(redis.call("GET", KEYS[1]) or "") or now_ms
if not (turn >= now_ms and turn <= now_ms + tonumber(ARGV[3])) then -- so that "nan" is none either
  turn = now_ms
end
local later = turn + tonumber(ARGV[1]) * 60000 / tonumber(ARGV[2])
redis.call("SET", KEYS[1], string.format("%.3f", later), "PX", int(math.ceil(later - now_ms)) + 60000)
return math.ceil(turn - now_ms)
