-- job: read one job.
-- uses: clock
--
-- KEYS[1] hash  onebeat:job:<id>
-- returns list                     now (ms) · field · value …; now alone if there is none

local answer = redis.call("HGETALL", KEYS[1])
table.insert(answer, 1, int(now_ms))
return answer
