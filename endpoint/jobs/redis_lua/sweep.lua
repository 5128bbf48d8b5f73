#!lua flags=allow-oom
-- limit, lost workers after which a job has failed, seconds that webhooks are kept without their job. Returns the
-- number of jobs queued again; those that have failed; the number of expired ones; sources that nobody
-- needs; the time.
local limit, most, time = ARGV[2], tonumber(ARGV[3]), now()
local given_up_until = exact(time - tonumber(ARGV[4]))
local reclaimed, failed = 0, {}
for _, id in ipairs(call('ZRANGEBYSCORE', key('running'), '-inf', exact(time), 'LIMIT', 0, limit)) do
  if tonumber(call('HGET', key('job', id), 'lost')) + 1 >= most then
    failed[#failed + 1] = document(id)
  else
    call('HINCRBY', key('job', id), 'lost', 1)
    hand_back(id)
    reclaimed = reclaimed + 1
  end
end
local expired = call('ZRANGEBYSCORE', key('expiry'), '-inf', exact(time), 'LIMIT', 0, limit)
for _, id in ipairs(expired) do forget(id) end
for _, name in ipairs(call('ZRANGEBYSCORE', key('keys_until'), '-inf', exact(time), 'LIMIT', 0, limit)) do
  forget_key(name)
end
for _, id in ipairs(call('ZRANGEBYSCORE', key('given_up'), '-inf', given_up_until, 'LIMIT', 0, limit)) do
  if call('EXISTS', key('job', delivery(id).job)) == 0 then forget_delivery(id) end
end
return {reclaimed, failed, #expired, call('SRANDMEMBER', key('orphans'), limit), exact(time)}
