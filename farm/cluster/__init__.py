"""A run on several machines: cards that come and go, and the doors that stay shut."""
