#!lua
-- id, attempts before this one, document, when it is due again or nothing, when it was made. Once for each attempt.
local _, id, attempts, doc, due, made = unpack(ARGV)
local found = delivery(id)
if not found or found.attempts ~= tonumber(attempts) then return end
call('HSET', key('outbox'), id, doc)
if due ~= '' then
  call('ZADD', key('due'), due, id)
else
  call('ZREM', key('due'), id)
  call('ZADD', key('given_up'), made, id)
end
