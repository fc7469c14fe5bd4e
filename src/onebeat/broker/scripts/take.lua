-- take: hand up to `limit` pending tasks of one queue to a server, oldest first.
-- uses: admit, clock, protobuf, archive, unlock, lock, filed, late
--
-- KEYS[1] root  asynq:{q}:     pending, active list · lease, archived zset · paused string · t:<id> hash · unique:…
-- KEYS[2] root  onebeat:{q}:   f:<server> string (last fetch and its ids, 600 s)
-- ARGV[1] str   server         who takes
-- ARGV[2] int   sequence       rises by one per fetch; the same number again is the same fetch
-- ARGV[3] int   limit          free slots of the server, 1 to 1000
-- ARGV[4] int   max_bytes      stop once the messages weigh this much (at least one is taken)
-- ARGV[5] int   lease_ms       how long the tasks are ours without an extension
-- returns list                 "taken" | "paused" | "stale", now (µs), lease score (s), then per task
--                              id · msg · ob_timeout_ms or "" · ob_unknown (ms) or "" · ob_crash or "" ·
--                              pending_since (ns) or "";
--                              "more <n>" for "taken" says that n expired ones were met, n entries of lib/filed.lua
--                              that come last: there may be others behind
--
-- asynq: rdb.go Dequeue. An id without a message, or of a task that runs already (it stood in the list twice),
-- is dropped, not handed out (SE-13). The token of every
-- task taken is "<server>:<sequence>". A lost reply is asked for again by its number (rule 6). One that is not to
-- be started any more (ob_expires) is archived as "expired"; a lock that holds until the start (ob_start) is freed.

local asynq, own = KEYS[1], KEYS[2]
local token = ARGV[1] .. ":" .. ARGV[2]
local record, sequence = own .. "f:" .. ARGV[1], tonumber(ARGV[2])
local taken = { "taken", int(now_us), int(math.ceil((now_ms + tonumber(ARGV[5])) / 1000)) }
local pending, active = asynq .. "pending", asynq .. "active"

local function hand_out(id, fields, since)
  local n = #taken
  taken[n + 1], taken[n + 2], taken[n + 3], taken[n + 4] = id, fields[1], fields[2] or "", fields[3] or ""
  taken[n + 5], taken[n + 6] = fields[4] or "", since or ""
end

-- Say which had expired, behind those that are handed out.
local function tell_expired(those)
  if #those > 0 then
    taken[1] = "more " .. #those / 4
    for _, fact in ipairs(those) do
      taken[#taken + 1] = fact
    end
  end
end

local last = redis.call("GET", record)
if last then
  last = cmsgpack.unpack(last)
  if last[1] > sequence then
    return { "stale", int(now_us), "0" }
  elseif last[1] == sequence then
    for _, id in ipairs(last[2]) do
      local task = asynq .. "t:" .. id
      local fields = redis.call("HMGET", task, "msg", "ob_timeout_ms", "ob_unknown", "ob_crash", "ob_own", "ob_lease")
      if fields[5] == token then
        taken[3] = fields[6]
        hand_out(id, fields)
      end
    end
    tell_expired(last[3] or {})
    return taken
  end
end
if redis.call("EXISTS", asynq .. "paused") == 1 then
  return { "paused", int(now_us), "0" }
end

local FIELDS = {
  "msg", "ob_timeout_ms", "ob_unknown", "ob_crash", "state", "ob_expires", "ob_start", "pending_since",
}

redis.call("LLEN", active) -- a foreign type must fail before anything moves
redis.call("ZCARD", asynq .. "lease")
local waiting = redis.call("LRANGE", pending, -tonumber(ARGV[3]), -1)
local ids, leases, starts, expired, weight, seen, given = {}, {}, {}, {}, 0, 0, {}
for i = #waiting, 1, -1 do
  local id = waiting[i]
  local fields = redis.call("HMGET", asynq .. "t:" .. id, unpack(FIELDS))
  weight = weight + #(fields[1] or "")
  if seen > 0 and weight > tonumber(ARGV[4]) then
    break
  end
  seen = seen + 1
  if fields[1] and fields[5] ~= "active" and not given[id] then
    given[id] = true
    if fields[6] and now_ms > tonumber(fields[6]) then
      expired[#expired + 1] = id
      weight = weight - #fields[1]
    else
      ids[#ids + 1] = id
      leases[#leases + 1] = taken[3]
      leases[#leases + 1] = id
      starts[id] = fields[7]
      hand_out(id, fields, fields[8])
    end
  end
end
if seen == 0 then
  return taken
end
if #expired > 0 then
  redis.call("ZCARD", asynq .. "archived") -- a foreign type must fail before anything moves
end
redis.call("LTRIM", pending, 0, -seen - 1)
if #ids > 0 then
  redis.call("LPUSH", active, unpack(ids))
  redis.call("ZADD", asynq .. "lease", unpack(leases))
end
for _, id in ipairs(ids) do
  local task = asynq .. "t:" .. id
  redis.call("HSET", task, "state", "active", "ob_own", token, "ob_lease", taken[3])
  redis.call("HDEL", task, "pending_since", "ob_done", "ob_instead", "ob_prev", "ob_progress", "ob_cancel")
  release(starts[id], id)
end
for _, id in ipairs(expired) do
  note_filed(id, archive_expired(id), "expired")
end
if #expired > 0 then
  tell_expired(filed)
  trim_archive()
end
redis.call("SET", record, cmsgpack.pack({ sequence, ids, filed }), "PX", 600000)
return taken
