#!lua
-- owner, seconds. Returns the job, its token and when the claim ends, or nothing.
local _, owner, seconds = unpack(ARGV)
local first = call('ZRANGE', key('turns'), 0, 0, 'WITHSCORES')
if not first[1] then return false end
local turn_before, caller, work = first[1]:sub(1, 16), first[1]:sub(17), tonumber(first[2])
local name = call('ZRANGE', key('queue', caller), 0, 0)[1]
local id, cost, ends = entry_id(name), entry_cost(name), exact(now() + tonumber(seconds))
call('ZREM', key('queue', caller), name)
count('queued_ms', -cost)
become(id, caller, 'queued', 'running')
local token = exact(call('HINCRBY', key('numbers'), 'turn', 1)) -- counts the claims of all jobs
settle(caller, work + cost, token)
call('ZADD', key('running'), ends, id)
call('HSET', key('job', id), 'owner', owner, 'token', token, 'charged', exact(cost), 'turn_before', turn_before)
call('HINCRBY', key('job', id), 'attempts', 1)
call('HINCRBY', key('job', id), 'version', 1)
local found = document(id)
found[6], found[7] = token, ends
return found
