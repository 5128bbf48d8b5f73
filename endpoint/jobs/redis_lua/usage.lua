#!lua flags=no-writes
-- '1' for one caller only, caller, id of the last job of the page before or nothing, limit. Returns rows by id.
local _, one, caller, after, limit = unpack(ARGV)
local rows = one == '1' and key('usage_rows', caller) or key('usage_rows')
return call('ZRANGEBYLEX', rows, after == '' and '-' or '(' .. after .. '\1', '+', 'LIMIT', 0, limit)
