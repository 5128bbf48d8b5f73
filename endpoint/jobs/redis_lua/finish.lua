#!lua
-- id; owner and token of the claim, or the version that must still be there; document, status, expiry, sources, lost
-- workers, event; id, document and due time of the webhook, or nothing; audio to account for and the row of the ledger,
-- or nothing; results: file, data... Returns 1, or 0 where the claim is lost or the job has changed.
local _, id, owner, token, version, doc, status, expiry, sources, lost, event = unpack(ARGV, 1, 11)
local webhook, webhook_doc, due, usage, row = unpack(ARGV, 12, 16)
if version == '' and not held(id, owner, token) then return 0 end
if version ~= '' and call('HGET', key('job', id), 'version') ~= version then return 0 end
local caller = call('HGET', key('job', id), 'caller')
withdraw(id)
become(id, caller, nil, status)
call('HSET', key('job', id), 'doc', doc, 'sources', sources, 'lost', lost)
call('HINCRBY', key('job', id), 'version', 1)
call('ZADD', key('expiry'), expiry, id)
forget_windows(id)
for at = 17, #ARGV, 2 do count('results', call('HSET', key('results', id), ARGV[at], ARGV[at + 1])) end
if status ~= 'failed' then orphan_sources(id) end -- a failed job can be queued again
add_event(id, event)
add_delivery(id, webhook, webhook_doc, due)
if usage ~= '' then
  local counted = id .. '\0' .. usage .. '\0' .. caller -- by id, so that a page of them is found
  call('ZADD', key('usage_rows'), 0, counted)
  call('ZADD', key('usage_rows', caller), 0, counted)
  account(KEYS[1], id, row)
end
return 1
