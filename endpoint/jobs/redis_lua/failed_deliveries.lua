#!lua flags=no-writes
-- limit. Returns the webhooks that were given up.
local docs = {}
for at, id in ipairs(call('ZRANGE', key('given_up'), 0, ARGV[2] - 1)) do docs[at] = call('HGET', key('outbox'), id) end
return docs
