"""Small drawings for figures: sparklines and heat maps as SVG, without a line of script."""
