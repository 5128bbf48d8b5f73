#!lua
-- id, owner, token, document, cost, sources, number of the event before these or nothing, events... Returns 1, or 0
-- where the claim is lost. Events that are there already are not added.
local _, id, owner, token, doc, cost, sources, after = unpack(ARGV, 1, 8)
if not held(id, owner, token) then return 0 end
local caller, charged = unpack(call('HMGET', key('job', id), 'caller', 'charged'))
local growth = tonumber(cost) - tonumber(charged)
if growth > 0 then
  local work, turn = standing(caller)
  settle(caller, work + growth, turn)
  call('HSET', key('job', id), 'charged', cost)
end
call('HSET', key('job', id), 'doc', doc, 'cost', cost, 'sources', sources)
call('HINCRBY', key('job', id), 'version', 1)
local known = after == '' and 0 or call('LLEN', key('events', id)) - after
for at = 9 + math.max(0, known), #ARGV do add_event(id, ARGV[at]) end
return 1
