"""The report for people: one HTML file without network access, and the same figures as PNG and SVG."""
