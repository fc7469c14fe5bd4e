-- fence: who holds an active task? (mechanism-rules 1)
--
-- A holder is known by the token it wrote into ob_own and by the lease score it wrote into ob_lease.
-- Go takes a task without touching either, but with a higher score, so the two together tell.

-- A task that was recovered and waits is still its last holder's to end or take back, as long as nobody has begun
-- it (rule 5): ob_prev names that token and the pending_since of this very wait, "<token>@<ns>". It ends with "@"
-- while the task sits out a back-off in retry; `forward` completes it.

local function waits_since(token, prev, pending_since)
  return prev ~= false and pending_since ~= false and prev == token .. "@" .. pending_since
end

local function holds(token, own, lease, score)
  return own == token and lease ~= false and score ~= false and tonumber(lease) == tonumber(score)
end
