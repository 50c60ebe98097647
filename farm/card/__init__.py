"""One card at work: its runner, watchdog and recovery, and the executor that has it open."""
