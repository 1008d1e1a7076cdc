"""What the two WhatsApp sources are made of.

`header.py` reads what stands in front of a message of the page, `order.py` decides the order of its dates,
`messages.py` makes messages of a page's rows, `memory.py` knows which were seen before, `enough.py` says how far up a
chat is read, `window.py` puts a reading together with all that, `document.py` is the file that is kept of it, and
`fresh.py` makes the stream's rows of that file. `exported.py` reads an Export chat file instead.
"""
