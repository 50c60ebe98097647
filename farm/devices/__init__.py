"""Device kinds: two protocols (`farm.devices.device`) and a registry (`farm.devices.registry`)."""
