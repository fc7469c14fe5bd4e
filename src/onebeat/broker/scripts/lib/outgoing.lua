-- outgoing: combined tasks that are on their way to another queue.
--
-- onebeat:{q}:out hash          id of the task → MessagePack of: since when (ms) · queue · msg · due · rest (enqueue)
--
-- A script cannot write two queues. So the members are deleted and the combined task noted here in one step; then
-- whoever did so enqueues it under that id, and strikes it off. left_behind() returns these, flat, for
-- those whose server has not done so within 5 s, about 100, for whoever asks. Needs clock.

local LEFT_MS = 5000

local function note_outgoing(id, queue, msg, due, rest)
  redis.call("HSET", KEYS[2] .. "out", id, cmsgpack.pack({ now_ms, queue, msg, due, rest }))
end

local function left_behind()
  local found = {}
  local page = redis.call("HSCAN", KEYS[2] .. "out", 0, "COUNT", 100)[2]
  for i = 1, #page, 2 do
    local item = cmsgpack.unpack(page[i + 1])
    if item[1] <= now_ms - LEFT_MS then
      found[#found + 1] = page[i]
      for part = 2, 5 do
        found[#found + 1] = item[part]
      end
    end
  end
  return found
end
