#!lua flags=no-writes
-- Returns the entries of jobs, queued, running, windows, results, events, outbox, keys, and the audio of those queued.
local jobs, numbers = 0, call('HMGET', key('numbers'), 'windows', 'results', 'events')
for _, status in ipairs(statuses) do jobs = jobs + call('ZCARD', key('ids', status)) end
local sizes = {jobs, call('ZCARD', key('ids', 'queued')), call('ZCARD', key('ids', 'running'))}
for at = 1, 3 do sizes[#sizes + 1] = tonumber(numbers[at] or 0) end
sizes[#sizes + 1] = call('HLEN', key('outbox'))
sizes[#sizes + 1] = call('HLEN', key('keys'))
sizes[#sizes + 1] = tonumber(call('HGET', key('numbers'), 'queued_ms') or 0)
return sizes
