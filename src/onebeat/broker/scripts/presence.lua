-- presence: show one server and what it runs to asynq's tools, for `ttl_s` (asynq: rdb.go WriteServerState).
-- uses: admit, clock
--
-- KEYS[1] root  asynq:{host:pid:id}:   only for its tag: asynq:servers:{…} string, asynq:workers:{…} hash
-- KEYS[2] root  onebeat:{host:pid:id}:   sheet string
-- ARGV[1] int   ttl_s
-- ARGV[2] bytes server         a ServerInfo message; "" adds more workers to those just shown
-- ARGV[3] bytes sheet          what it says of itself beside that (wire/sheet.py); "": nothing
-- ARGV[4…] per worker          task id · WorkerInfo message
-- returns int                  now (µs), by which the caller lists both keys in their indexes

local tag = string.match(KEYS[1], "{.*}")
local server, workers = "asynq:servers:" .. tag, "asynq:workers:" .. tag
if ARGV[2] ~= "" then
  redis.call("SETEX", server, ARGV[1], ARGV[2])
  redis.call("DEL", workers)
end
if ARGV[3] ~= "" then
  redis.call("SETEX", KEYS[2] .. "sheet", ARGV[1], ARGV[3])
end
for i = 4, #ARGV, 2 do
  redis.call("HSET", workers, ARGV[i], ARGV[i + 1])
end
redis.call("EXPIRE", workers, ARGV[1])
return int(now_us)
