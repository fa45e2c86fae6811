-- Store::take. ARGV: now (milliseconds), and the channel and the name by which the end is told.
-- Not GETDEL: what this version cannot read stays.

local now = tonumber(ARGV[1])
local stored = redis.call('GET', KEYS[1])
if not stored then
    return { 'gone' }
end
local found = header(stored)
if not found then
    return { 'unreadable', stored }
end
redis.call('DEL', KEYS[1])
tell(ARGV[2], ARGV[3])
if found.expires_at <= now then
    return { 'gone' }
end
return { 'done', stored }
