"""What a connection's state means, in words for whoever has somebody on the phone."""
