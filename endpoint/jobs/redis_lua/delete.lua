#!lua flags=allow-oom
-- id, version; id, document and due time of the webhook, or nothing. Returns 1, or 0 where the job has changed.
local _, id, version, webhook, webhook_doc, due = unpack(ARGV)
if call('HGET', key('job', id), 'version') ~= version then return 0 end
forget(id)
add_delivery(id, webhook, webhook_doc, due)
return 1
