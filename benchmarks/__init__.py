"""Speed and memory, measured on the real thing: `make bench` prints a table. Bounded in time, loopback only."""
