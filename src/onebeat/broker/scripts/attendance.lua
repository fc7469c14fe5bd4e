-- attendance: what one server has last shown of itself (asynq: inspect.go ListServers, ListWorkers).
-- uses: clock, readable
--
-- KEYS[1] root  asynq:{host:pid:id}:   only for its tag: asynq:servers:{…} string, asynq:workers:{…} hash
-- KEYS[2] root  onebeat:{host:pid:id}:   sheet string
-- returns list                 its record · its sheet · then of each task that it runs the record; "" where there is none, or
--                              where its key is of a foreign type

local tag = string.match(KEYS[1], "{.*}")
local answer = { redis.call("GET", "asynq:servers:" .. tag) or "", read(false, "GET", KEYS[2] .. "sheet") or "" }
for _, worker in ipairs(read({}, "HVALS", "asynq:workers:" .. tag)) do
  answer[#answer + 1] = worker
end
return answer
