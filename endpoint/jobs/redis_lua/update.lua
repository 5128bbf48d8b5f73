#!lua
-- id, owner, token, document, cost, sources, events... Returns 1, or 0 where the claim is lost.
local _, id, owner, token, doc, cost, sources = unpack(ARGV, 1, 7)
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
for at = 8, #ARGV do add_event(id, ARGV[at]) end
return 1
