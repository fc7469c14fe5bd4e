-- outgoing: combined tasks that are on their way to another queue.
--
-- onebeat:{q}:out hash          id of the task → MessagePack of: since when (ms) · queue · msg · due · rest (enqueue)
--
-- A script cannot write two queues. So the members are deleted and the combined task noted here in one step; then
-- whoever did so enqueues it under that id, and strikes it off. left_behind() returns id, queue, and the rest of those
-- whose server has not done so within 5 s, at most 100, for whoever asks. Needs clock.

local LEFT_MS = 5000

local function note_outgoing(id, packed)
  local item = cmsgpack.unpack(packed)
  table.insert(item, 1, now_ms)
  redis.call("HSET", KEYS[2] .. "out", id, cmsgpack.pack(item))
end

local function left_behind()
  local found = {}
  local page = redis.call("HSCAN", KEYS[2] .. "out", 0, "COUNT", 100)[2]
  for i = 1, #page, 2 do
    if cmsgpack.unpack(page[i + 1])[1] <= now_ms - LEFT_MS then
      found[#found + 1], found[#found + 2] = page[i], page[i + 1]
    end
  end
  return found
end
