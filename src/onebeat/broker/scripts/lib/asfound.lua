-- asfound: whether a task still is what it was when somebody chose it among many.
--
-- chosen(packed) unpacks what was seen of each task, MessagePack of a list of {state, stamp}, "" for nothing; has_changed
-- (seen, state, message) compares: the stamp is how the SHA-1 of the message begins, so any failure, run or update of
-- the task in between shows.

local function chosen(packed)
  return packed ~= "" and cmsgpack.unpack(packed) or {}
end

local function has_changed(seen, state, message)
  return seen and (seen[1] ~= state or seen[2] ~= string.sub(redis.sha1hex(message), 1, 16))
end
