#!lua
-- id, owner, token, seconds. Returns the job and when the claim ends, or nothing where it is lost.
local _, id, owner, token, seconds = unpack(ARGV)
if not held(id, owner, token) then return false end
local ends = exact(now() + tonumber(seconds))
call('ZADD', key('running'), ends, id)
call('HINCRBY', key('job', id), 'version', 1)
local found = document(id)
found[6] = ends
return found
