"""The team: who is staff, with which role; inviting, disabling, a new second factor."""
