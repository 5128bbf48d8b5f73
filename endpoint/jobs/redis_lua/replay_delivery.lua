#!lua
-- id, document, when it is due. Returns 1, or 0 where it was not given up.
local _, id, doc, due = unpack(ARGV)
if call('ZREM', key('given_up'), id) == 0 then return 0 end
call('HSET', key('outbox'), id, doc)
call('ZADD', key('due'), due, id)
return 1
