-- Store::take. ARGV: now (milliseconds). Not GETDEL: what this version cannot read stays.

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
if found.expires_at <= now then
    return { 'gone' }
end
return { 'done', stored }
