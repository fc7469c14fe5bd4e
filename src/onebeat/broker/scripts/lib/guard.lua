-- guard: run one item of a batch so that its failure stays its own (mechanism-rules 8).
--
-- guarded(f, …) returns f's first result, or "error <text>" where f raised.

local function guarded(f, ...)
  local fine, answer = pcall(f, ...)
  if fine then
    return answer
  end
  if type(answer) == "table" then
    answer = answer.err
  end
  return "error " .. string.gsub(tostring(answer), "%s+", " ")
end
