#!lua flags=no-writes
-- id. Returns the job and the time, or nothing.
local found = document(ARGV[2])
if not found[1] then return false end
found[6] = exact(now())
return found
