-- Writes once more what was written, where a failover has brought back an earlier generation. A
-- record that is gone stays so; deadlines do not move to earlier moments. ARGV: the record, now
-- (milliseconds), and the channel and the name by which the change is told.

local bytes, now = ARGV[1], tonumber(ARGV[2])
local ours = header(bytes)
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
if number(found.generation, 1) >= number(ours.generation, 1) then
    return { 'moved', found.generation }
end
local last = math.max(found.expires_at, ours.expires_at)
write(KEYS[1], bytes, last - now)
local function keep_later(offset, from, theirs, mine)
    if theirs > mine then
        redis.call('SETRANGE', KEYS[1], offset, string.sub(stored, from + 1, from + 8))
    end
end
keep_later(ours.expires_at_offset, found.expires_at_offset, found.expires_at, ours.expires_at)
keep_later(ours.cookie_until_offset, found.cookie_until_offset, found.cookie_until, ours.cookie_until)
tell(ARGV[3], ARGV[4])
return { 'done' }
