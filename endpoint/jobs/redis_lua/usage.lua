#!lua flags=no-writes
-- '1' for one caller only, caller. Returns caller, {job, audio...}, caller, {job, audio...}, ...
local _, one, caller = unpack(ARGV)
local rows = {}
for _, name in ipairs(one == '1' and {caller} or call('SMEMBERS', key('usage_callers'))) do
  rows[#rows + 1] = name
  rows[#rows + 1] = call('HGETALL', key('usage', name))
end
return rows
