-- A marker that goes round through the feed. ARGV: the channel, and the marker. Removing a key that
-- is not there changes nothing, and is refused where a write would be: by a replica, and by a
-- primary that has lost its replicas (`min-replicas-to-write`).

redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 0
