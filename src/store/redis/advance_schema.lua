-- Records that the layout is at least of the version ARGV[1], for ARGV[2] milliseconds.

local version = tonumber(ARGV[1])
local stored = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
redis.call('SET', KEYS[1], math.max(version, stored), 'PX', ARGV[2])
return math.max(version, stored)
