#!lua
-- id, document, caller, priority, cost, sources, files, event, key or nothing, seconds that it is remembered.
-- Returns the job that was kept before, or nothing.
local _, id, doc, caller, priority, cost, sources, files, event, name, seconds = unpack(ARGV)
local time = now()
if name ~= '' then
  local kept = call('HGET', key('keys'), name)
  if kept and tonumber(call('ZSCORE', key('keys_until'), name)) > time then return document(kept) end
end
if call('EXISTS', key('job', id)) == 1 then return document(id) end -- this was tried before
if name ~= '' then
  call('HSET', key('keys'), name, id)
  call('ZADD', key('keys_until'), exact(time + tonumber(seconds)), name)
  call('HSET', key('job', id), 'key', name)
end
call('HSET', key('job', id), 'doc', doc, 'caller', caller, 'priority', priority, 'cost', cost, 'sources', sources)
call('HSET', key('job', id), 'files', files, 'attempts', 0, 'lost', 0, 'version', 1)
become(id, caller, nil, 'queued')
enqueue(id, standing_or_new(caller))
add_event(id, event)
return false
