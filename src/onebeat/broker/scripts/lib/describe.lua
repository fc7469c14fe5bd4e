-- describe: one task as it stands, for those who look (asynq: rdb.go GetTaskInfo).
--
-- describe(id) returns nil where there is no task, else a list: msg · state · result or "" · next (ms) or "" ·
-- pending_since (ns) or "" · crashes or "" · why it was set aside or "" · how far it is, "<ms> <fraction> <text>",
-- or "" · "1" if it is active and its lease is past or missing, else "" · ob_expires (ms) or "" · soft
-- failures or "". What is of a foreign type is passed over: a record is none then, a time not known. Needs clock,
-- readable.

local SEEN = { "msg", "state", "result", "pending_since", "ob_crash", "ob_error", "ob_progress", "ob_expires", "ob_soft" }

local function next_due(id, state)
  local score = read(false, "ZSCORE", KEYS[1] .. state, id)
  local exact = read(false, "ZSCORE", KEYS[2] .. "exact", id)
  if score and exact and math.ceil(tonumber(exact) / 1000) == tonumber(score) then
    return exact
  end
  return score and int(tonumber(score) * 1000) or ""
end

local function describe(id)
  local f = read({}, "HMGET", KEYS[1] .. "t:" .. id, unpack(SEEN))
  if not f[1] then
    return nil
  end
  local state, due, orphaned = f[2] or "", "", ""
  if state == "scheduled" or state == "retry" then
    due = next_due(id, state)
  elseif state == "pending" then
    due = int(now_ms)
  elseif state == "active" then
    local lease = read(false, "ZSCORE", KEYS[1] .. "lease", id)
    orphaned = (not lease or tonumber(lease) <= now_s) and "1" or ""
  end
  return {
    f[1], state, f[3] or "", due, f[4] or "", f[5] or "", f[6] or "", f[7] or "", orphaned, f[8] or "", f[9] or "",
  }
end
