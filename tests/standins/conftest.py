"""Stand-ins for foreign software: imported and run by tests, no tests themselves."""

collect_ignore_glob = ["*"]
