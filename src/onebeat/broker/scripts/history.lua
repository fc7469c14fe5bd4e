-- history: what one queue did on each of the last UTC days (asynq: inspect.go historicalStatsCmd).
-- uses: clock, counters
--
-- KEYS[1] root  asynq:{q}:     processed:<day>, failed:<day>
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] int   from           days before today to begin with, 0: today
-- ARGV[2] int   days
-- returns list                 per day, latest first: YYYY-MM-DD · processed · failed

local answer = {}
for back = tonumber(ARGV[1]), tonumber(ARGV[1]) + tonumber(ARGV[2]) - 1 do
  local day = utc_date(now_s - back * 86400)
  local counts = redis.call("MGET", KEYS[1] .. "processed:" .. day, KEYS[1] .. "failed:" .. day)
  answer[#answer + 1] = day
  answer[#answer + 1] = counts[1] or "0"
  answer[#answer + 1] = counts[2] or "0"
end
return answer
