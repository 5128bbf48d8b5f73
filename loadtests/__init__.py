"""Load of many different callers: locust with OpenAI's own client."""
