"""Makes the pages of the documentation: what is written, what is brought in, what is generated."""
