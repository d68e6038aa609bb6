"""The allele-frequency reference of Europe: its columns, its statistics and its releases on disk."""
