"""A small checkout in the layout of tt-metal: loaded by tests, no tests itself."""

collect_ignore_glob = ["*"]
