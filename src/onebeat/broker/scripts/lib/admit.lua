-- admit: let a script that frees work run while the store's memory is full (mechanism-rules 4).
--
-- With `noeviction` a full store refuses a script at its first growing write. A first write that
-- does not grow is let through, and all that follow with it. The key never exists.

redis.call("DEL", KEYS[2] .. "nil")
