"""A page that stands in for WhatsApp Web, built after dated public observations, never compared with it."""
