-- sessions: read the sessions of a user of a console.
-- uses: clock
--
-- KEYS[1] hash  onebeat:sessions:<user>
-- returns list  now (ms) · field, value … (lib/sessions.lua)

return { int(now_ms), unpack(redis.call("HGETALL", KEYS[1])) }
