"""What may be wrong with a live system: facts are gathered, then judged, and what can be mended is mended."""
