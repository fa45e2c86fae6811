-- Store::replace. ARGV: the record, now, the time until it ends (milliseconds), the generation to
-- write over, as eight bytes, and the channel and the name by which the change is told.

local bytes, now, left, expected = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
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
if found.generation == expected then
    write(KEYS[1], bytes, left)
    tell(ARGV[5], ARGV[6])
    return { 'done' }
end
if same_content(found, header(bytes)) then
    return { 'done' }
end
return { 'moved', found.generation }
