-- fence: who holds an active task? (mechanism-rules 1)
--
-- A holder is known by the token it wrote into ob_own and by the lease score it wrote into ob_lease.
-- Go takes a task without touching either, but with a higher score, so the two together tell.

local function holds(token, own, lease, score)
  return own == token and lease ~= false and score ~= false and tonumber(lease) == tonumber(score)
end
