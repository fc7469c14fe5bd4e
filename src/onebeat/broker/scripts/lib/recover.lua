-- recover: take back active tasks whose lease lapsed, at most 100 a call.
--
-- recover(max_crashes) returns a list of "<front|retry|archived> <id>", and of each its type, its failures and, if it
-- is archived, the error. A crash is counted apart from
-- failures (ob_crash), so it costs no retry: the first puts the task at the front of pending, later ones
-- wait about 5 s · 2^n in retry, the last allowed one archives it (rule 10). A task that was to be cancelled
-- is archived as that. Of the tasks that died with one
-- server only those that crashed most often so far are charged, and their waits differ, so that a task that
-- kills its process is soon alone and does not take its neighbours with it (docs/decisions/0006).
-- After more than 5 s without a call (outage, fail-over, clock jump) it holds back for 5 s, so that live
-- owners can speak first (rule 3).
-- A lease that is not ours is Go's, written by Go's clock: it gets 30 s more (rule 11).
-- What is lost is kept as an attempt, "recovered", if its token says when it began.
-- asynq: recoverer.go. Needs clock, counters, protobuf, archive, lock, filed, attempts.

local function holds_back()
  local beat = KEYS[2] .. "beat"
  local seen = redis.call("HMGET", beat, "last", "hold_until")
  local last, hold_until = tonumber(seen[1] or "0"), tonumber(seen[2] or "0")
  if now_ms - last > 5000 or now_ms < last then
    hold_until = now_ms + 5000
  end
  redis.call("HSET", beat, "last", int(now_ms), "hold_until", int(hold_until))
  return now_ms < hold_until
end

local function drop_from_active(id)
  redis.call("ZREM", KEYS[1] .. "lease", id)
  redis.call("LREM", KEYS[1] .. "active", -1, id)
end

-- Lapsed ids with their place in `active`, longest running first.
local function lapsed()
  local found, lease = {}, KEYS[1] .. "lease"
  local ids = redis.call("ZRANGEBYSCORE", lease, "-inf", now_s, "WITHSCORES", "LIMIT", 0, 100)
  for i = 1, #ids, 2 do
    local id, score = ids[i], tonumber(ids[i + 1])
    local fields = redis.call("HMGET", KEYS[1] .. "t:" .. id, "msg", "state", "ob_own", "ob_lease", "ob_crash", "ob_cancel")
    local ours = fields[4] and tonumber(fields[4]) == score
    if not fields[1] or fields[2] ~= "active" then
      drop_from_active(id)
    elseif ours or score <= now_s - 30 then
      local place = redis.call("LPOS", KEYS[1] .. "active", id, "RANK", -1) or math.huge
      local own = ours and fields[3] or ""
      found[#found + 1] = {
        id = id,
        place = place,
        msg = fields[1],
        own = own,
        server = string.match(own, "^(.*):%d+$") or id,
        crashes = tonumber(fields[5] or "0"),
        is_cancelled = fields[6],
        type = tostring(field_of(fields[1], 1) or ""),
        retried = failures_of(fields[1]),
      }
    end
  end
  table.sort(found, function(a, b)
    return a.place > b.place
  end)
  return found
end

-- How often the most suspect task of each server had crashed before.
local function worst_of(found)
  local worst = {}
  for _, lost in ipairs(found) do
    worst[lost.server] = math.max(worst[lost.server] or 0, lost.crashes)
  end
  return worst
end

-- A wait around 5 s · 2^n, between half and one and a half times of it, always the same for one id and n.
local function wait_ms(id, crashes)
  local share = tonumber(string.sub(redis.sha1hex(id .. crashes), 1, 6), 16) / 2 ^ 24
  return math.floor(5000 * 2 ^ (crashes - 2) * (0.5 + share))
end

-- Keep what is known of an attempt that was lost: nothing of one that is not ours.
local function note_lost(task, lost, text)
  local began = tonumber(string.match(lost.own, ":(%d+)$") or "0")
  if began > 1e12 then -- an instant, not a number of fetches: their server wants attempts to be kept
    local about = { started = began, ended = now_ms, server = lost.server, error = text }
    local outcome = lost.is_cancelled and "cancelled" or text and "archived" or "recovered"
    note_attempt(task, outcome, cjson.encode(about))
  end
end

local function recover_one(lost, max_crashes, charged)
  local task, crashes = KEYS[1] .. "t:" .. lost.id, lost.crashes + (charged and 1 or 0)
  drop_from_active(lost.id)
  local is_over = lost.is_cancelled or crashes >= max_crashes
  local text = lost.is_cancelled and "cancelled" or is_over and "crashed " .. crashes .. " times" or nil
  note_lost(task, lost, text)
  redis.call("HDEL", task, "ob_own", "ob_lease")
  redis.call("HSET", task, "ob_prev", lost.own .. "@") -- see fence
  if is_over then
    local msg = lost.msg .. text_field(ERROR_MSG, text) .. LAST_FAILED_AT .. varint(now_s)
    redis.call("HDEL", task, "ob_crash", "ob_prev", "ob_cancel")
    file_in_archive(lost.id, task, "msg", msg)
    count(1, 1)
    return "archived", text
  end
  redis.call("HSET", task, "ob_crash", crashes)
  if crashes <= 1 or not charged then
    local since = int(now_us) .. "000"
    redis.call("HSET", task, "state", "pending", "pending_since", since, "ob_prev", lost.own .. "@" .. since)
    return "front"
  end
  local at = now_ms + wait_ms(lost.id, crashes)
  redis.call("HSET", task, "state", "retry")
  redis.call("ZADD", KEYS[1] .. "retry", int(math.ceil(at / 1000)), lost.id)
  redis.call("ZADD", KEYS[2] .. "exact", int(at), lost.id)
  return "retry"
end

local function recover(max_crashes)
  if holds_back() then
    return { {}, {} }
  end
  local report, front, found, of = {}, {}, lapsed(), {}
  local worst = worst_of(found)
  for _, lost in ipairs(found) do
    local place, text = recover_one(lost, max_crashes, lost.crashes == worst[lost.server])
    report[#report + 1] = place .. " " .. lost.id
    local n = #of
    of[n + 1], of[n + 2], of[n + 3] = lost.type, lost.retried, text or ""
    if place == "front" then
      table.insert(front, 1, lost.id)
    end
  end
  if #front > 0 then
    redis.call("RPUSH", KEYS[1] .. "pending", unpack(front))
  end
  trim_archive()
  return { report, of }
end
