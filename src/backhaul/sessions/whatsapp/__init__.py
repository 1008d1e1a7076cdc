"""WhatsApp Web in a browser of its own, read and never written to."""
