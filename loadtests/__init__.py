"""Load as many different clients make it: locust with OpenAI's own client."""
