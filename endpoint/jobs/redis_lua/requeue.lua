#!lua
-- id, version, document, cost. Returns 1, or 0 where the job has changed.
local _, id, version, doc, cost = unpack(ARGV)
if call('HGET', key('job', id), 'version') ~= version then return 0 end
local caller = call('HGET', key('job', id), 'caller')
call('ZREM', key('expiry'), id)
call('HSET', key('job', id), 'doc', doc, 'cost', cost, 'lost', 0)
call('HINCRBY', key('job', id), 'version', 1)
forget_results(id)
become(id, caller, 'failed', 'queued')
enqueue(id, standing_or_new(caller))
return 1
