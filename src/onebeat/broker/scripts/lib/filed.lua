-- filed: what a call has archived of which no attempt has ended here, for those who want to be told.
--
-- note_filed(id, msg, error) adds id, type, failures and error of one to the flat list `filed`; failures_of(msg) are those
-- alone, as text: 0 where the bytes have no such number, whatever else they have there. Needs clock, lock.

local filed = {}

local function failures_of(msg)
  local failures = field_of(msg, 6)
  return type(failures) == "number" and int(failures) or "0"
end

local function note_filed(id, msg, text)
  local n = #filed
  filed[n + 1], filed[n + 2] = id, tostring(field_of(msg, 1) or "")
  filed[n + 3], filed[n + 4] = failures_of(msg), text
end
