"""The settings by subject: names, defaults, limits and descriptions. `endpoint.config` joins and reads them."""
