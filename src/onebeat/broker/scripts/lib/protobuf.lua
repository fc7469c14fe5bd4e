-- protobuf: the few bytes that scripts add to messages.
--
-- A field appended to a message replaces the earlier one of its number: in proto3 the last wins.

local function varint(n)
  local bytes = ""
  while n >= 128 do
    bytes = bytes .. string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  return bytes .. string.char(n)
end

local function text_field(tag, text)
  return tag .. varint(#text) .. text
end

local ID, ERROR_MSG, DEADLINE, HEADERS = "\26", "\58", "\72", "\122" -- fields 3, 7, 9, 15
local RETRIED, LAST_FAILED_AT, COMPLETED_AT = "\48", "\88", "\104" -- fields 6, 11, 13
