"""VCF and BCF files: scanned, checked, decoded and encoded as the columns of a lake."""
