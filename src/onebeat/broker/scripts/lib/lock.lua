-- lock: which unique lock a task holds, if any.
--
-- lock_of(f_unique_key, msg) returns the key in the record, or the one that stands in the message alone: asynq writes
-- no field for tasks of a group (protocol §1.3; SE-11). Field 10 is looked for only where the bytes hold such a key
-- at all, and in bytes that are no message nothing is found.

local function varint_at(bytes, at)
  local value, scale = 0, 1
  while true do
    local byte = string.byte(bytes, at)
    if not byte or scale > 2 ^ 63 then
      return nil
    end
    value, scale, at = value + (byte % 128) * scale, scale * 128, at + 1
    if byte < 128 then
      return value, at
    end
  end
end

local FIXED = { [1] = 8, [5] = 4 }

-- The last value of a field, as proto3 has it, a text or a whole number; nil where there is none.
local function field_of(bytes, number)
  local at, found = 1, nil
  while at <= #bytes do
    local tag, size
    tag, at = varint_at(bytes, at)
    if not tag then
      return nil
    end
    local wire = tag % 8
    if wire == 2 then
      size, at = varint_at(bytes, at)
      if not size or at + size - 1 > #bytes then
        return nil
      elseif (tag - wire) / 8 == number then
        found = string.sub(bytes, at, at + size - 1)
      end
      at = at + size
    elseif wire == 0 then
      size, at = varint_at(bytes, at)
      if not size then
        return nil
      elseif tag / 8 == number then
        found = size
      end
    elseif FIXED[wire] then
      at = at + FIXED[wire]
    else
      return nil
    end
  end
  return found
end

local function lock_of(unique_key, msg)
  if unique_key and unique_key ~= "" then
    return unique_key
  end
  local root = KEYS[1] .. "unique:"
  if not msg or not string.find(msg, root, 1, true) then
    return nil
  end
  local key = field_of(msg, 10)
  return type(key) == "string" and string.sub(key, 1, #root) == root and key or nil
end
