#!lua
-- id, owner, token, file, window, data. Returns 1, or 0 where the claim is lost.
local _, id, owner, token, file, window, data = unpack(ARGV)
if not held(id, owner, token) then return 0 end
if tonumber(file) >= tonumber(call('HGET', key('job', id), 'files')) then
  call('HSET', key('job', id), 'files', tonumber(file) + 1)
end
count('windows', call('HSET', key('windows', id, file), window, data))
return 1
