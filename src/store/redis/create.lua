-- Store::create. ARGV: the record, now, and the time until it ends (milliseconds).

local bytes, now, left = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = redis.call('GET', KEYS[1])
if stored then
    local found = header(stored)
    if not found then
        return { 'exists' }
    end
    if found.expires_at > now then
        return { same_content(found, header(bytes)) and 'done' or 'exists' }
    end
end
write(KEYS[1], bytes, left)
return { 'done' }
