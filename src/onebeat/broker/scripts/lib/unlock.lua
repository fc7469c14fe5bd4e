-- unlock: free a unique lock, if it still is the task's own (asynq: rdb.go doneUniqueCmd).

local function release(unique_key, id)
  if unique_key and unique_key ~= "" and redis.call("GET", unique_key) == id then
    redis.call("DEL", unique_key)
  end
end
