-- Store::touch. ARGV: now, and the two deadlines, each as a number of milliseconds and as the
-- eight bytes of the header.

local now = tonumber(ARGV[1])
local expires_at, expires_at_bytes = tonumber(ARGV[2]), ARGV[3]
local cookie_until, cookie_until_bytes = tonumber(ARGV[4]), ARGV[5]
local stored = redis.call('GET', KEYS[1])
if not stored then
    return { 'gone' }
end
local found = header(stored)
if not found then
    return { 'unreadable', stored }
end
if found.expires_at <= now then
    return { 'gone' }
end
if expires_at > found.expires_at then
    redis.call('SETRANGE', KEYS[1], found.expires_at_offset, expires_at_bytes)
    redis.call('PEXPIRE', KEYS[1], expires_at - now)
end
if cookie_until > found.cookie_until then
    redis.call('SETRANGE', KEYS[1], found.cookie_until_offset, cookie_until_bytes)
end
return { 'done' }
