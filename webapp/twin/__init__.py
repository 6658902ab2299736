"""The twin: a faithful local Deck v2, because Deck has no sandbox. It imports nothing of Gangway's."""
