-- Store::remove; and removes once more what was taken, where a failover has brought it back. ARGV:
-- the generation that ends, as eight bytes, and the channel and the name by which the end is told.

local stored = redis.call('GET', KEYS[1])
if not stored then
    return { 'gone' }
end
local found = header(stored)
if not found then
    return { 'unreadable', stored }
end
if number(found.generation, 1) > number(ARGV[1], 1) then
    return { 'moved', found.generation }
end
redis.call('DEL', KEYS[1])
tell(ARGV[2], ARGV[3])
return { 'done' }
