"""What we told hosts: deliveries and their attempts."""
