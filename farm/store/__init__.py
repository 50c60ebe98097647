"""The sweep directory: everything about one sweep, in a folder or a bucket.

``location`` says where, ``files`` is the interface to what is there, ``local_files`` and
``object_files`` are its two implementations.  ``manifest`` is sweep.json, ``shards`` the vectors,
``results`` the committed chunks, ``journal`` the incidents; ``directory`` puts them together and
``check`` verifies them.
Each module's text is the specification of its format.
"""
