"""Shapes of real networks (all_*.csv) and the committed benchmark set drawn from them (sample_*.csv)."""
