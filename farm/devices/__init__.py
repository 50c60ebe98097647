"""Device kinds: two protocols (`farm.devices.device`) and one registry (`farm.devices.registry`)."""
