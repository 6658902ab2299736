"""A person's page, and a visit's."""
