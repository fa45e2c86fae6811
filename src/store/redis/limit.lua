-- Store::charge, with the arithmetic of src/model/rate.rs. ARGV: now, what one event adds, and the
-- whole span (microseconds, all far below 2^53). The key holds the moment at which the bucket is as
-- good as new, and ends then. Answers the time until that moment, or, below zero, the time until
-- one more event is admitted.

local now, interval, span = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full_at = tonumber(redis.call('GET', KEYS[1]) or '') or now
-- Another instance's clock may be ahead of ours; nobody waits for it.
local debt = math.min(math.max(full_at - now, 0), span) + interval
if debt > span then
    return span - debt
end
redis.call('SET', KEYS[1], string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000))
return debt
