"""All SQL, and only here."""
