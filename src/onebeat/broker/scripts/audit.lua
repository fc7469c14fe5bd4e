-- audit: append one record to the trail of what operators did, and keep so many of the latest.
-- uses: clock
--
-- KEYS[1] stream onebeat:audit
-- ARGV[1] int   keep           records that are kept
-- ARGV[2…] str  field, value …
-- returns str                  the record's id, "<ms>-<n>"
--
-- The id is the store's time. Where the last record has that time or a later one, it is the next behind that one.

local last = redis.call("XREVRANGE", KEYS[1], "+", "-", "COUNT", 1)[1]
local id = int(now_ms) .. "-0"
if last then
  local ms, n = string.match(last[1], "^(%d+)-(%d+)$")
  if tonumber(ms) >= now_ms then
    id = ms .. "-" .. int(tonumber(n) + 1)
  end
end
return redis.call("XADD", KEYS[1], "MAXLEN", ARGV[1], id, unpack(ARGV, 2))
