"""The dual encoder, its projections and temperature, and the objective. Plain torch, no files."""
