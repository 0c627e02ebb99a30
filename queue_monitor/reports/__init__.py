"""Reports of past months, tertials, interim periods and years: their figures, their sealing, and their forms."""
