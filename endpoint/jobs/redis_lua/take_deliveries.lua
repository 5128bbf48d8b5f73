#!lua
-- limit, seconds. Returns the webhooks that are due.
local time, docs = now(), {}
for at, id in ipairs(call('ZRANGEBYSCORE', key('due'), '-inf', exact(time), 'LIMIT', 0, ARGV[2])) do
  call('ZADD', key('due'), exact(time + tonumber(ARGV[3])), id)
  docs[at] = call('HGET', key('outbox'), id)
end
return docs
