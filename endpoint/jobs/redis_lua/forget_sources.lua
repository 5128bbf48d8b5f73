#!lua flags=allow-oom
-- sources... They were deleted.
for at = 2, #ARGV do call('SREM', key('orphans'), ARGV[at]) end
