"""The sensor gateway: takes what sensors and counters say, decodes it, and publishes Observations.

It has no database and knows nothing of the platform. Others read two modules of it:
`sensor_gateway.observation` (what was said) and `sensor_gateway.directory` (which device is where).
"""
