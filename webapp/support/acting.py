"""The pages of acts: asked for with a reason, done once."""
