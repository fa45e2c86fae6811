-- What the scripts know of a record: the header that src/store/record.rs draws. The rules are
-- those of src/store/decision.rs.

local FORMAT = 1
local LONGEST_KEY_ID = 16

-- A big-endian number of eight bytes. Times are far below 2^53, where Lua's numbers are exact.
local function number(bytes, first)
    local sum = 0
    for at = first, first + 7 do
        sum = sum * 256 + string.byte(bytes, at)
    end
    return sum
end

-- Where the fields are and when the record ends; nil for bytes that are no record of ours.
local function header(bytes)
    if #bytes < 2 or string.byte(bytes, 1) ~= FORMAT then
        return nil
    end
    local k = string.byte(bytes, 2)
    if k < 1 or k > LONGEST_KEY_ID or #bytes < 26 + k then
        return nil
    end
    if string.find(string.sub(bytes, 3, 2 + k), '[^A-Za-z0-9_-]') then
        return nil
    end
    return {
        generation = string.sub(bytes, 3 + k, 10 + k),
        expires_at = number(bytes, 11 + k),
        cookie_until = number(bytes, 19 + k),
        -- Offsets as SETRANGE counts them, from 0.
        expires_at_offset = 10 + k,
        cookie_until_offset = 18 + k,
        identity = string.sub(bytes, 1, 10 + k),
        sealed = string.sub(bytes, 27 + k),
    }
end

-- Whether two records are one writing, wherever their deadlines have moved to.
local function same_content(one, other)
    return other and one.identity == other.identity and one.sealed == other.sealed
end

-- A record whose end has come already counts as written and ended.
local function write(key, bytes, left)
    if left > 0 then
        redis.call('SET', key, bytes, 'PX', left)
    else
        redis.call('DEL', key)
    end
end

-- Tells whoever listens which record has changed; no channel, no telling. An ACL that forbids it
-- undoes nothing: listeners see by their markers (mark.lua) that they are told nothing.
local function tell(channel, name)
    if channel ~= '' then
        redis.pcall('PUBLISH', channel, name)
    end
end
