-- late: a task that was not to be begun any more, as its time (ob_expires) is over, goes to the archive.
--
-- archive_expired(id) files it as "expired", frees its lock, tells who waits for it, and returns what its message was.
-- The caller has taken it out of where it waited, and trims the archive. Needs clock, protobuf, archive, unlock.

local function archive_expired(id)
  local task = KEYS[1] .. "t:" .. id
  local fields = redis.call("HMGET", task, "msg", "unique_key", "ob_wait")
  file_in_archive(id, task, "msg", fields[1] .. text_field(ERROR_MSG, "expired") .. LAST_FAILED_AT .. varint(now_s))
  redis.call("HDEL", task, "pending_since", "ob_prev", "ob_cancel", "ob_crash", "ob_unknown")
  release(fields[2], id)
  if fields[3] then
    redis.call("PUBLISH", "onebeat:reply:" .. fields[3], string.match(KEYS[1], "{(.*)}") .. "\0" .. id)
  end
  return fields[1]
end
