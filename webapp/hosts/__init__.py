"""Host companies: the API under `/v1`, what they wish for a visit, and what they are told. `api` has all its rooms."""
