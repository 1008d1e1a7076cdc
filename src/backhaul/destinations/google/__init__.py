"""How GoogleSheet talks to Google and finds its way in a sheet."""
