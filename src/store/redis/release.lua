-- Store::release. ARGV: the owner, and the pause (milliseconds; 0 for none). `-` marks a pause.

if redis.call('GET', KEYS[1]) == ARGV[1] then
    local pause = tonumber(ARGV[2])
    if pause > 0 then
        redis.call('SET', KEYS[1], '-', 'PX', pause)
    else
        redis.call('DEL', KEYS[1])
    end
end
return 0
