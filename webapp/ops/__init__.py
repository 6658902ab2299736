"""What operators look at: health, figures, the port that shows them, and the doctor."""
