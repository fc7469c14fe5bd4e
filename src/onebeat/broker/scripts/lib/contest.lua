-- contest: which of several declared forms of one schedule is in force? (mechanism-rules 31)
--
-- onebeat:{q}:seen:<id> hash    content hash → "<first seen> <last seen>" (ms)
--
-- The one first seen latest among those that an instance declared within the last `live_ms`: a deploy
-- wins at once, the restart of an old process does not, a roll-back wins once the newer form is gone.
-- seen(id, hash, live_ms) records the declaration and returns whether `hash` is in force. Needs clock.

local KEPT_FORMS = 8

local function drop_oldest_form(key, forms)
  local oldest, oldest_last
  for i = 1, #forms, 2 do
    local last = tonumber(string.match(forms[i + 1], " (%d+)"))
    if not oldest_last or last < oldest_last then
      oldest, oldest_last = forms[i], last
    end
  end
  redis.call("HDEL", key, oldest)
end

local function seen(id, hash, live_ms)
  local key = KEYS[2] .. "seen:" .. id
  local known = redis.call("HGET", key, hash)
  local first = known and string.match(known, "%d+") or int(now_ms)
  redis.call("HSET", key, hash, first .. " " .. int(now_ms))
  local forms, winner, winner_first = redis.call("HGETALL", key), nil, nil
  for i = 1, #forms, 2 do
    local form_first, form_last = string.match(forms[i + 1], "(%d+) (%d+)")
    form_first, form_last = tonumber(form_first), tonumber(form_last)
    local newer = not winner or form_first > winner_first or (form_first == winner_first and forms[i] > winner)
    if form_last >= now_ms - live_ms and newer then
      winner, winner_first = forms[i], form_first
    end
  end
  if #forms > KEPT_FORMS * 2 then
    drop_oldest_form(key, forms)
  end
  return winner == hash
end
