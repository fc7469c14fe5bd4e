-- filed: what a call has archived of which no attempt has ended here, for those who want to be told.
--
-- note_filed(id, msg, error) adds id, type, failures and error of one to the flat list `filed`. Needs clock, lock.

local filed = {}

local function note_filed(id, msg, text)
  local n = #filed
  filed[n + 1], filed[n + 2] = id, tostring(field_of(msg, 1) or "")
  filed[n + 3], filed[n + 4] = int(tonumber(field_of(msg, 6)) or 0), text
end
