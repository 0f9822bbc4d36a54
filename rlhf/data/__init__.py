"""People's own data on its way in: files are read, shaped into prompts, split and stored."""
