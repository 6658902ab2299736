"""One box: what somebody reads out, and the place it means."""
