-- counters: a queue's totals and its totals of the UTC day (asynq: rdb.go, every outcome script).
--
-- count(processed, failed) adds to asynq:{q}:processed, :failed and their :YYYY-MM-DD, which expire
-- 90 days after their first count. Both totals restart when `processed` would pass 2^63 - 1.
-- Needs clock.

local function utc_date(seconds)
  local days = math.floor(seconds / 86400) + 719468
  local era = math.floor(days / 146097)
  local of_era = days - era * 146097
  local year = of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524) - math.floor(of_era / 146096)
  year = math.floor(year / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local shifted = math.floor((5 * of_year + 2) / 153)
  local day = of_year - math.floor((153 * shifted + 2) / 5) + 1
  local month = shifted < 10 and shifted + 3 or shifted - 9
  return string.format("%04d-%02d-%02d", year + era * 400 + (month <= 2 and 1 or 0), month, day)
end

local function count_daily(name, amount)
  local key = KEYS[1] .. name .. ":" .. utc_date(now_s)
  if redis.call("INCRBY", key, amount) == amount then
    redis.call("EXPIREAT", key, now_s + 7776000)
  end
end

local function count(processed, failed)
  if processed == 0 and failed == 0 then
    return
  end
  count_daily("processed", processed)
  if failed > 0 then
    count_daily("failed", failed)
  end
  local total = redis.pcall("INCRBY", KEYS[1] .. "processed", processed)
  if type(total) == "table" then
    redis.call("SET", KEYS[1] .. "processed", processed)
    redis.call("SET", KEYS[1] .. "failed", failed)
  elseif failed > 0 then
    redis.call("INCRBY", KEYS[1] .. "failed", failed)
  end
end
