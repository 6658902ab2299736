"""Signing in: password, second factor, and a link that begins it all; signing out."""
