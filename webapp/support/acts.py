"""What staff may do for somebody: say first what will happen, ask why, do it once, write it down."""
