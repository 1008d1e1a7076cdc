"""How Google Sheets is reached: the account, its token, its calls, and what a refusal means."""
