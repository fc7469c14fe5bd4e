-- series: what servers have recorded of one queue, or of all, and consoles noted. It only reads.
-- uses: clock
--
-- KEYS[1] root                 the same as KEYS[2] where it is of all queues
-- KEYS[2] root  onebeat:{q}:   rate:…, wait:…, run:… string · types zset (record.lua) · size:… string (sample.lua)
-- ARGV[1] int   hours          how many hours of `rate` or `size`, this one the last
-- ARGV[2] int   step           of the other series: 60 or 600 (s)
-- ARGV[3] int   spans          how many strings of it, this one the last
-- ARGV[4] str   what           rate | wait (and rate) | run | size
-- returns list                 now (s), and, per string "" where there is none: those of `rate`, those of `wait`, or of
--                              each type its name and those of `run`, or those of `size`

local own, step = KEYS[2], tonumber(ARGV[2])

local function read(name, span, number, rest, into)
  local last = now_s - now_s % span
  for back = number - 1, 0, -1 do
    into[#into + 1] = redis.call("GET", own .. name .. int(last - back * span) .. rest) or ""
  end
end

local answer, span = { int(now_s) }, step == 60 and 3600 or 21600
if ARGV[4] == "size" then
  read("size:", 3600, tonumber(ARGV[1]), "", answer)
  return answer
end
if ARGV[4] ~= "run" then
  read("rate:", 3600, tonumber(ARGV[1]), "", answer)
  if ARGV[4] == "wait" then
    read("wait:" .. step .. ":", span, tonumber(ARGV[3]), "", answer)
  end
  return answer
end
for _, name in ipairs(redis.call("ZRANGEBYSCORE", own .. "types", now_s - span * tonumber(ARGV[3]), "+inf")) do
  answer[#answer + 1] = name
  read("run:" .. step .. ":", span, tonumber(ARGV[3]), ":" .. name, answer)
end
return answer
