#!lua flags=allow-oom
-- id of a webhook.
forget_delivery(ARGV[2])
