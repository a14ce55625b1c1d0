"""What a denoise job is: submitted, watched, run, recovered."""
