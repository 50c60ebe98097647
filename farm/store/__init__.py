"""The sweep directory: everything about one sweep, on disk.

``files`` writes, ``manifest`` is sweep.json, ``shards`` the vectors, ``results`` the committed
chunks, ``journal`` the incidents; ``directory`` puts them together and ``check`` verifies them.
Each module's text is the specification of its format.
"""
