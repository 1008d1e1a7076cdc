"""How we get in: logins, sessions, and the two drivers that do the steps of an export."""
