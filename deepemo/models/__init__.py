"""Model families: what each reads, and how it is built, trained, saved and loaded."""
