-- list: one page of the ids of one state (asynq: inspect.go listMessages, listZSetEntries).
-- uses: front
--
-- KEYS[1] root  asynq:{q}:     pending, active list · the other states' zsets
-- KEYS[2] root  onebeat:{q}:
-- ARGV[1] str   state
-- ARGV[2] int   offset
-- ARGV[3] int   limit
-- returns list of str          ids; of a list the next to run first, of a zset by rising score

return front(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
