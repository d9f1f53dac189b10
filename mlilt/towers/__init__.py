"""The two towers: any `transformers` text encoder and any `timm` vision model, by alias, id, folder or file."""
