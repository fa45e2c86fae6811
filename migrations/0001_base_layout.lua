-- The base layout: every record ends by itself at the moment its header names.
--
-- KEYS[1]: a record's key. ARGV[1]: now, in milliseconds since the epoch. Answers 1 if it changed
-- the key, else 0. What is no record of format 1 is left alone.

local bytes = redis.call('GET', KEYS[1])
if not bytes or #bytes < 2 or string.byte(bytes, 1) ~= 1 then
    return 0
end
local k = string.byte(bytes, 2)
if #bytes < 26 + k then
    return 0
end
local expires_at = 0
for at = 11 + k, 18 + k do
    expires_at = expires_at * 256 + string.byte(bytes, at)
end

-- A second apart is the clocks' doing, not the layout's.
local left = math.max(expires_at - tonumber(ARGV[1]), 1)
local ttl = redis.call('PTTL', KEYS[1])
if ttl >= 0 and math.abs(ttl - left) <= 1000 then
    return 0
end
redis.call('PEXPIRE', KEYS[1], left)
return 1
