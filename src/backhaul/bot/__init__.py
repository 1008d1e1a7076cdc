"""The shop's bot: it answers what things cost, in Telegram.

The path of one question is read in this order:

1. `shop_bot.py` declares the bot; `declared.py` finds it in its system; `people.py` knows who may ask.
2. `polling.py`, or `web_server.py` at the place that `webhook.py` names, hears of an update; `heard.py` reads it.
3. `desk.py` takes it, so that no other process answers it too, and lets a clerk answer.
4. `clerk.py` decides what the answer is: it looks things up (`backhaul.search`) and has them worded
   (`cards.py`, `answers.py`), which know nothing of Telegram.
5. `line.py` sends it, at the pace that Telegram allows; `sync.py` runs the pipeline for an owner.

`service.py` starts and ends it all.
"""

from backhaul.bot.shop_bot import ShopBot

__all__ = ["ShopBot"]
