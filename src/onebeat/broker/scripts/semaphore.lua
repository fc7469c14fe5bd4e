-- semaphore: take a token of a counting semaphore, or keep it (asynq: x/rate, semaphore.go).
-- uses: clock
--
-- KEYS[1] zset  asynq:sema:<scope>   holder → when its token lapses, s
-- ARGV[1] int   max_tokens
-- ARGV[2] str   holder         the task's id
-- ARGV[3] int   lease_ms       it lapses so long from now, or "" …
-- ARGV[4] int   deadline_s     … or then, if that is sooner, or ""
-- returns int                  1 it holds one, 0 all are taken
--
-- The key is one of asynq's, in a slot of its own: no other key is touched here. Unlike in asynq a holder that holds
-- one already needs no free one: it keeps its own, and says anew until when.

redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", int(now_s - 1))
local holds_one = redis.call("ZSCORE", KEYS[1], ARGV[2])
if not holds_one and redis.call("ZCARD", KEYS[1]) >= tonumber(ARGV[1]) then
  return 0
end
local lapses = ARGV[3] ~= "" and math.ceil((now_ms + tonumber(ARGV[3])) / 1000) or math.huge
redis.call("ZADD", KEYS[1], int(math.min(lapses, tonumber(ARGV[4]) or math.huge)), ARGV[2])
return 1
