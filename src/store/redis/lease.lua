-- Store::lease. ARGV: the owner, and for how long (milliseconds). Answers -1 granted, -2 held by
-- another, or the milliseconds of pause that are left.

local owner, ttl = ARGV[1], tonumber(ARGV[2])
local holder = redis.call('GET', KEYS[1])
-- A lease that never ends is none of ours: it would hold the session for good.
if not holder or holder == owner or redis.call('PTTL', KEYS[1]) < 0 then
    redis.call('SET', KEYS[1], owner, 'PX', ttl)
    return -1
end
if holder == '-' then
    return math.max(redis.call('PTTL', KEYS[1]), 1)
end
return -2
