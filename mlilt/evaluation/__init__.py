"""Arrays in, numbers out: retrieval and its intervals. Uses neither files nor models."""
