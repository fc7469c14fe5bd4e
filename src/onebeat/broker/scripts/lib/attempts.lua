-- attempts: what is kept of past attempts at a task, in its own record, with which it goes (docs/decisions/0027).
--
-- note_attempt(task, outcome, about) adds a line to ob_attempts: "<how many in all>\n", then of each that is kept, the
-- oldest first, "<outcome> <about>\n"; `about` is JSON (wire/attempts.py), which has no line breaks. At most 20 lines
-- and 16 kB are kept, the last one in any case. Needs clock.

local MAX_ATTEMPTS, MAX_ATTEMPTS_BYTES = 20, 16384

local function note_attempt(task, outcome, about)
  local number, lines = string.match(redis.call("HGET", task, "ob_attempts") or "", "^(%d+)\n(.*)$")
  lines = (lines or "") .. outcome .. " " .. about .. "\n"
  local _, kept = string.gsub(lines, "\n", "")
  while kept > 1 and (kept > MAX_ATTEMPTS or #lines > MAX_ATTEMPTS_BYTES) do
    lines = string.sub(lines, string.find(lines, "\n", 1, true) + 1)
    kept = kept - 1
  end
  redis.call("HSET", task, "ob_attempts", int(tonumber(number or "0") + 1) .. "\n" .. lines)
end
