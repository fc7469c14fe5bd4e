-- now: the store's clock, as every script reads it.
-- uses: clock
--
-- KEYS[1] root  asynq:{q}:
-- KEYS[2] root  onebeat:{q}:
-- returns int                  microseconds since 1970

return int(now_us)
