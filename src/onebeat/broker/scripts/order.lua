-- order: tell one server of Onebeat what to do. It hears the word, or finds the key with its next sign of life.
-- uses: clock
--
-- KEYS[1] root  asynq:{host:pid:id}:
-- KEYS[2] root  onebeat:{host:pid:id}:   order string
-- ARGV[1] str   server         its id
-- ARGV[2] str   word           drain | stop | take
-- ARGV[3] int   ttl_s          a server that does not look for so long does not find it
-- returns str                  "<number> <word>", what the key holds: later orders have higher numbers
--
-- The number tells a word that is late from a newer order, and a repeat from a new one.

local last = tonumber(string.match(redis.call("GET", KEYS[2] .. "order") or "", "^%d+")) or 0
local order = int(math.max(now_us, last + 1)) .. " " .. ARGV[2]
redis.call("SETEX", KEYS[2] .. "order", ARGV[3], order)
redis.call("PUBLISH", "onebeat:orders", ARGV[1] .. " " .. order)
return order
