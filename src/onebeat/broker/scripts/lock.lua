-- lock: who holds a unique lock, and until when: an instant, so that two looks say the same.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   key            of the lock, which carries the queue's tag
-- returns list                 holder or "" · for how long (ms), below 0 where it has no end or there is none · until when
--                              (ms)
--
-- Stores before Redis 7 know no instant, and it is reckoned there, to within a millisecond.

local left = redis.call("PTTL", ARGV[1])
local till = redis.pcall("PEXPIRETIME", ARGV[1])
return { redis.call("GET", ARGV[1]) or "", left, type(till) == "number" and till or int(now_ms + left) }
