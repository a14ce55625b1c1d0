"""What is said of what keys of the scope `admin` may do."""

ADMIN = {}
